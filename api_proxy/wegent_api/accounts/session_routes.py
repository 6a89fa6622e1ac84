"""``/api/v1/auth/refresh`` and ``/tokens``: further tokens of a user who is logged in."""

import time
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Response
from pydantic import AfterValidator

from wegent_api.accounts.api_tokens import ApiTokensDep
from wegent_api.accounts.models import (
    ApiTokenCreation,
    ApiTokenInfo,
    ApiTokenList,
    CreatedApiToken,
    Token,
)
from wegent_api.accounts.session import SessionDep, UserDep
from wegent_api.accounts.tokens import MIN_LIFETIME_S, PasswordChanged, TokenIssuerDep
from wegent_api.http import examples
from wegent_api.http.bodies import body_of, no_body
from wegent_api.http.errors import Forbidden
from wegent_api.http.openapi import request_body, statuses
from wegent_api.http.state import SettingsDep
from wegent_api.names import LABEL_SCHEMA, dns_label

NO_STORE: Final = {"Cache-Control": "no-store"}
"""Headers of answers with a token (RFC 6749, section 5.1)."""
AGAIN: Final = "log in with the password"

TokenName = Annotated[
    str, Path(description="Name of the token."), AfterValidator(dns_label), LABEL_SCHEMA
]

router: Final = APIRouter(prefix="/api/v1/auth", tags=["auth"])


@router.post(
    "/refresh",
    operation_id="refreshToken",
    summary="Renew a login",
    dependencies=[Depends(no_body)],
    responses=statuses(400, 401, 403, 503),
)
async def refresh(
    response: Response, settings: SettingsDep, tokens: TokenIssuerDep, session: SessionDep
) -> Token:
    """Exchange the token of a login for a newer one, without the password.

    It works up to `WEGENT_API_LOGIN_MAX_S` seconds, by default a day, after the password was given,
    and no longer than the password is valid.
    """
    left_s = session.login_at + settings.login_max_s - int(time.time())
    if left_s < MIN_LIFETIME_S:
        raise Forbidden(f"the login can't be renewed any more; {AGAIN}")
    try:
        issued = await tokens.issue(
            session.user.username,
            session.secret,
            lifetime_s=min(settings.token_lifetime_s, left_s),
            audiences=session.renewed_audiences,
        )
    except PasswordChanged:
        raise Forbidden(f"the password has been changed; {AGAIN}") from None
    response.headers.update(NO_STORE)
    return Token(access_token=issued.token, expires_in=issued.lifetime_s)


@router.get(
    "/tokens",
    operation_id="listApiTokens",
    summary="List the caller's API tokens",
    responses=statuses(401, 403, 503),
)
async def list_tokens(tokens: ApiTokensDep, user: UserDep) -> ApiTokenList:
    """List the valid API tokens of the caller, without their values."""
    return ApiTokenList(items=[ApiTokenInfo.of(it) for it in await tokens.list(user)])


@router.post(
    "/tokens",
    operation_id="createApiToken",
    status_code=201,
    summary="Create an API token for the caller's programs",
    responses=statuses(400, 401, 403, 409, 413, 415, 422, 503),
    openapi_extra=request_body(ApiTokenCreation, examples.API_TOKEN),
)
async def create_token(
    response: Response,
    tokens: ApiTokensDep,
    session: SessionDep,
    body: Annotated[ApiTokenCreation, Depends(body_of(ApiTokenCreation))],
) -> CreatedApiToken:
    """Create a long-lived token with all rights of the caller. Its value is shown only now.

    It needs the token of a login that is not renewed: neither an API token nor the token of a
    renewed login can create others. The token ends when it is deleted or expires, when the password
    is changed, and when the account is suspended or deleted.
    """
    if session.renewed:
        raise Forbidden(f"a renewed login can't create API tokens; {AGAIN}")
    made, issued = await tokens.create(session, body.name, body.expires_in_seconds)
    response.headers.update(NO_STORE)
    return CreatedApiToken.of_issued(made, issued)


@router.delete(
    "/tokens/{name}",
    operation_id="deleteApiToken",
    status_code=204,
    summary="Delete an API token of the caller",
    dependencies=[Depends(no_body)],
    response_class=Response,
    responses=statuses(400, 401, 403, 404, 503),
)
async def delete_token(tokens: ApiTokensDep, user: UserDep, name: TokenName) -> Response:
    """Delete an API token. The API server refuses it within seconds."""
    await tokens.delete(user.username, name)
    return Response(status_code=204)
