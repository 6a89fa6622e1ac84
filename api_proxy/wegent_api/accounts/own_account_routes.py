"""``/api/v1/auth``: routes for the caller's own account."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from wegent_api.accounts.kubeconfig import KubeconfigsDep
from wegent_api.accounts.login import LoginDep
from wegent_api.accounts.models import PasswordChange, Token
from wegent_api.accounts.password_change import PasswordChangerDep
from wegent_api.accounts.password_hashing import acceptable
from wegent_api.accounts.tokens import PasswordChanged, TokenIssuerDep
from wegent_api.accounts.writers import as_proxy
from wegent_api.http import examples
from wegent_api.http.bearer import CallerDep, bearer
from wegent_api.http.bodies import body_of, client_address
from wegent_api.http.errors import Cause, Conflict, Forbidden, Invalid, Unauthorized, Unavailable
from wegent_api.http.openapi import request_body, statuses
from wegent_api.http.state import SettingsDep
from wegent_api.upstream.client import UserApiDep
from wegent_api.upstream.identity import subject, user_of
from wegent_api.upstream.own_api import OwnApiDep
from wegent_kube import KubeError

YAML: Final = "application/yaml"
"""Media type of YAML (RFC 9512)."""
KUBECONFIG: Final[dict[str, Any]] = {
    "description": "A kubeconfig.",
    "content": {YAML: {"schema": {"type": "string"}}},
}
NO_STORE: Final = {"Cache-Control": "no-store"}
"""Headers of answers with a token (RFC 6749, section 5.1)."""

router: Final = APIRouter(prefix="/api/v1/auth", tags=["auth"])


@router.get(
    "/kubeconfig",
    summary="Get a kubeconfig for the caller",
    response_class=Response,
    responses={200: KUBECONFIG, **statuses(401, 503)},
)
async def kubeconfig(
    settings: SettingsDep, user_api: UserApiDep, kubeconfigs: KubeconfigsDep, caller: CallerDep
) -> Response:
    """Get a kubeconfig with the caller's own token. It works as long as the token does.

    Its namespace is the default namespace, as in requests to this API.
    """
    name = await subject(user_api, caller)
    username = user_of(name, settings.accounts_namespace)
    made = await kubeconfigs.make(caller, username or name, settings.default_namespace)
    disposition = {"Content-Disposition": 'attachment; filename="wegent.kubeconfig"'}
    return Response(made, headers=disposition | NO_STORE, media_type=YAML)


async def _caller_with_password(
    settings: SettingsDep, user_api: UserApiDep, caller: CallerDep
) -> str:
    name = await subject(user_api, caller)
    username = user_of(name, settings.accounts_namespace)
    if username is None:
        raise Forbidden(f"{name} is not a user of Wegent and has no password")
    return username


@router.post(
    "/password",
    summary="Change the caller's password",
    dependencies=[Depends(bearer)],  # nothing is read for a client without a token
    responses=statuses(400, 401, 403, 409, 413, 415, 422, 429, 503),
    openapi_extra=request_body(PasswordChange, examples.PASSWORD_CHANGE),
)
async def change_password(
    request: Request,
    response: Response,
    settings: SettingsDep,
    own_api: OwnApiDep,
    login: LoginDep,
    changer: PasswordChangerDep,
    tokens: TokenIssuerDep,
    body: Annotated[PasswordChange, Depends(body_of(PasswordChange))],
    username: Annotated[str, Depends(_caller_with_password)],
) -> Token:
    """End all sessions of the caller, and return a token for a new one.

    The request needs the old password. A wrong one counts against the limits, as in a login.
    """
    least = settings.password_min_chars
    new = await acceptable(
        body.new_password,
        least,
        personal=(username,),
        what="PasswordChange",
        field="newPassword",
    )
    try:
        old = body.old_password.get_secret_value()
        known = await login.check(username, old, client_address(request))
    except Unauthorized:
        wrong = Cause("FieldValueInvalid", "oldPassword", "must be the current password")
        raise Invalid.of([wrong], what="PasswordChange") from None
    write = as_proxy(own_api)
    secret = await changer.change(known.account, new, write)
    try:
        issued = await tokens.issue(username, secret)
    except PasswordChanged:
        raise Conflict(
            "another request has changed the password too; log in with the newest password"
        ) from None
    except (Unavailable, KubeError) as error:
        raise Unavailable("the password has been changed; log in with the new password") from error
    response.headers.update(NO_STORE)
    return Token(access_token=issued.token, expires_in=issued.lifetime_s)
