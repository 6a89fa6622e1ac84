"""``/api/v1/auth``: making users, logging in, and who am I."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response

from wegent_api import examples
from wegent_api.account_writers import as_caller, as_proxy
from wegent_api.accounts import NewAccount
from wegent_api.auth_models import (
    AdminRegistration,
    Credentials,
    Me,
    Registered,
    Registration,
    Token,
)
from wegent_api.bodies import body_of
from wegent_api.callers import CallerDep
from wegent_api.errors import Forbidden
from wegent_api.identity import subject, user_of
from wegent_api.login import too_many_attempts
from wegent_api.openapi import request_body, statuses
from wegent_api.passwords import long_enough
from wegent_api.ratelimit import address_key
from wegent_api.services import ServicesDep
from wegent_api.settings import Settings

router: Final = APIRouter(prefix="/api/v1/auth", tags=["auth"])


@router.post(
    "/register",
    status_code=201,
    summary="Register a new user",
    responses=statuses(400, 403, 409, 413, 415, 422, 429, 503),
    openapi_extra=request_body(Registration, examples.REGISTRATION),
)
async def register(
    request: Request,
    services: ServicesDep,
    body: Annotated[Registration, Depends(body_of(Registration))],
) -> Registered:
    """Make a user with the role `user`, unless registration is closed."""
    if not services.settings.registration_open:
        raise Forbidden("registration is closed; ask an admin for an account")
    if wait := services.registrations.take(address_key(client_address(request))):
        raise too_many_attempts(wait)
    account = await services.registrar.register(
        NewAccount(body.username, body.email, "user"),
        checked_password(body, services.settings),
        as_proxy(services.kube),
    )
    return Registered.of(account)


@router.post(
    "/admin/register",
    status_code=201,
    summary="Register a new user of any role, as an admin",
    responses=statuses(400, 401, 403, 409, 413, 415, 422, 503),
    openapi_extra=request_body(AdminRegistration, examples.ADMIN_REGISTRATION),
)
async def admin_register(
    services: ServicesDep,
    caller: CallerDep,
    body: Annotated[AdminRegistration, Depends(body_of(AdminRegistration))],
) -> Registered:
    """Make a user with the rights of the caller: RBAC and policy decide whether they may."""
    grants = tuple({"name": it.name, "role": it.role} for it in body.namespaces or ())
    account = await services.registrar.register(
        NewAccount(body.username, body.email, body.role, grants),
        checked_password(body, services.settings),
        as_caller(services.callers, caller),
    )
    return Registered.of(account)


@router.post(
    "/login",
    summary="Exchange a user name and a password for a token",
    responses=statuses(400, 401, 413, 415, 422, 429, 503),
    openapi_extra=request_body(Credentials, examples.CREDENTIALS),
)
async def login(
    request: Request,
    response: Response,
    services: ServicesDep,
    body: Annotated[Credentials, Depends(body_of(Credentials))],
) -> Token:
    """Answer a token that runs out after `expiresIn` seconds, or with the password."""
    issued = await services.login.login(
        body.username, body.password.get_secret_value(), client_address(request)
    )
    response.headers["Cache-Control"] = "no-store"  # RFC 6749, section 5.1
    return Token(access_token=issued.token, expires_in=issued.lifetime_s)


@router.get(
    "/me",
    summary="Who the caller is",
    response_model_exclude_none=True,
    responses=statuses(401, 503),
)
async def me(services: ServicesDep, caller: CallerDep) -> Me:
    """Answer the caller's account, or at least the name that the API server knows them by."""
    name = await subject(services, caller)
    username = user_of(name, services.settings.accounts_namespace)
    account = None if username is None else await services.accounts.get(username)
    return Me(username=name) if account is None else Me.of(account)


def checked_password(body: Registration, settings: Settings) -> str:
    """Return the password of ``body``.

    Raises:
        Invalid: it is shorter than is configured.
    """
    what, least = type(body).__name__, settings.password_min_chars
    return long_enough(body.password, least, what=what, field="password")


def client_address(request: Request) -> str:
    """Return the address of the client; of a trusted proxy's client, where one is configured."""
    return request.client.host if request.client else "unknown"
