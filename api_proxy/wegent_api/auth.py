"""``/api/v1/auth``: making users, logging in, and who am I."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from wegent_api import examples
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
from wegent_api.errors import Cause, Forbidden, Invalid
from wegent_api.login import too_many_attempts
from wegent_api.openapi import request_body, statuses
from wegent_api.ratelimit import address_key
from wegent_api.registration import as_caller, as_proxy
from wegent_api.services import Services, ServicesDep
from wegent_api.settings import Settings

SELF_SUBJECT_REVIEW: Final = "/apis/authentication.k8s.io/v1/selfsubjectreviews"

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
        as_proxy(services.kube, services.accounts),
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
        as_caller(services.callers, caller, services.accounts),
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
    prefix = f"system:serviceaccount:{services.settings.accounts_namespace}:"
    if name.startswith(prefix):
        account = await services.accounts.get(name.removeprefix(prefix))
        if account is not None:
            return Me.of(account)
    return Me(username=name)


async def subject(services: Services, caller: CallerDep) -> str:
    """Return the name by which the API server knows ``caller``."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer: Any = await services.callers.fetch(caller, "POST", SELF_SUBJECT_REVIEW, body=review)
    return str(answer["status"]["userInfo"]["username"])


def checked_password(body: Registration, settings: Settings) -> str:
    """Return the password of ``body``.

    Raises:
        Invalid: it is shorter than is configured.
    """
    password = body.password.get_secret_value()
    if len(password) < settings.password_min_chars:
        message = f"must have at least {settings.password_min_chars} characters"
        cause = Cause("FieldValueInvalid", "password", message)
        raise Invalid.of([cause], what=type(body).__name__)
    return password


def client_address(request: Request) -> str:
    """Return the address of the client; of a trusted proxy's client, where one is configured."""
    return request.client.host if request.client else "unknown"
