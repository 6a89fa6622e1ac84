"""``/api/v1/auth``: registration, login, and the caller's own account."""

from collections.abc import Iterable
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response

from wegent_api.accounts import password_grant
from wegent_api.accounts.access import access_of
from wegent_api.accounts.first_admin_gate import FirstAdminGateDep, refuse_reserved
from wegent_api.accounts.login import LoginDep
from wegent_api.accounts.models import (
    AdminRegistration,
    Me,
    Registered,
    Registration,
    Token,
)
from wegent_api.accounts.password_grant import PasswordGrant
from wegent_api.accounts.password_hashing import acceptable
from wegent_api.accounts.registration import RegistrarDep
from wegent_api.accounts.store import Account, AccountsDep, NewAccount
from wegent_api.accounts.throttle import RegistrationLimitDep
from wegent_api.accounts.writers import as_caller, as_proxy
from wegent_api.http import examples
from wegent_api.http.bearer import CallerDep
from wegent_api.http.bodies import anonymous_body_of, body_of, client_address
from wegent_api.http.errors import Forbidden, Unavailable
from wegent_api.http.openapi import request_body, statuses
from wegent_api.http.state import SettingsDep
from wegent_api.settings import Settings
from wegent_api.upstream.client import UserApiDep
from wegent_api.upstream.identity import Identity, identity, user_of
from wegent_api.upstream.own_api import OwnApiDep
from wegent_api.upstream.role_bindings import Bindings, BindingsDep, Grant
from wegent_crds.kinds.account import NamespaceGrant
from wegent_crds.members import binding_name

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
    response: Response,
    settings: SettingsDep,
    limit: RegistrationLimitDep,
    first_admin: FirstAdminGateDep,
    registrar: RegistrarDep,
    own_api: OwnApiDep,
    body: Annotated[Registration, Depends(anonymous_body_of(Registration))],
) -> Registered:
    """Register a user with the role `user`, unless registration is closed."""
    if not settings.registration_open:
        raise Forbidden("registration is closed; ask an admin for an account")
    # Check the name before the attempt counts, so that a refused one costs others nothing.
    refuse_reserved(body.username, what="Registration")
    password = await checked_password(body, settings)
    limit.check(client_address(request))
    await first_admin.required()
    account = await registrar.register(
        NewAccount(body.username, body.email, "user"),
        password,
        as_proxy(own_api),
    )
    response.headers["Location"] = location(account)
    return Registered.of(account)


@router.post(
    "/admin/register",
    status_code=201,
    summary="Register a user with a role, by default an admin",
    responses=statuses(400, 401, 403, 409, 413, 415, 422, 503),
    openapi_extra=request_body(AdminRegistration, examples.ADMIN_REGISTRATION),
)
async def admin_register(
    response: Response,
    settings: SettingsDep,
    registrar: RegistrarDep,
    user_api: UserApiDep,
    caller: CallerDep,
    body: Annotated[AdminRegistration, Depends(body_of(AdminRegistration))],
) -> Registered:
    """Create an admin, or with `role: user` a plain user, with the caller's rights."""
    grants = tuple({"name": it.name, "role": it.role} for it in body.namespaces or ())
    account = await registrar.register(
        NewAccount(body.username, body.email, body.role, grants),
        await checked_password(body, settings),
        as_caller(user_api, caller),
    )
    response.headers["Location"] = location(account)
    return Registered.of(account)


@router.post(
    "/login",
    summary="Exchange a user name and a password for a token",
    response_model=Token,
    responses=statuses(400, 401, 413, 415, 422, 429, 503),
    openapi_extra=password_grant.REQUEST_BODY,
)
async def login(
    request: Request,
    logins: LoginDep,
    attempt: Annotated[PasswordGrant, Depends(password_grant.read)],
) -> Response:
    """Get a token, which is valid for `expiresIn` seconds and no longer than the password.

    The body is JSON, or the form of OAuth2's password grant (RFC 6749, section 4.3). The answer to
    a form has OAuth2's field names.
    """
    credentials = attempt.credentials
    issued = await logins.login(
        credentials.username,
        credentials.password.get_secret_value(),
        client_address(request),
    )
    return attempt.answer(Token(access_token=issued.token, expires_in=issued.lifetime_s))


@router.get(
    "/me",
    summary="Get the caller's account",
    response_model_exclude_none=True,
    responses=statuses(401, 503),
)
async def me(
    settings: SettingsDep,
    user_api: UserApiDep,
    accounts: AccountsDep,
    bindings: BindingsDep,
    caller: CallerDep,
) -> Me:
    """Get the caller's account and namespaces, or for others the API server's name of them."""
    who = await identity(user_api, caller)
    username = user_of(who.username, settings.accounts_namespace)
    account = None if username is None else await accounts.get(username)
    if account is None:
        username = None
    of_account = {it["name"] for it in account.namespaces} if account else ()
    grants = await _grants(bindings, who)
    return Me.model_validate(
        {
            "username": username or who.username,
            "email": account and account.email,
            "role": account and account.role,
            "defaultNamespace": settings.default_namespace,
            "namespaces": None if grants is None else access_of(grants, username, of_account),
            "memberships": _memberships(grants or (), username) or None,
        }
    )


async def _grants(bindings: Bindings, who: Identity) -> list[Grant] | None:
    try:
        return await bindings.grants(who)
    except (Forbidden, Unavailable):
        return None


def _memberships(grants: Iterable[Grant], username: str | None) -> list[NamespaceGrant]:
    return [
        NamespaceGrant.model_validate({"name": it.namespace, "role": it.role})
        for it in grants
        if username is not None and it.binding == binding_name(username, it.role)
    ]


def location(account: Account) -> str:
    """Return the path of an account, which only admins may read."""
    return f"{router.prefix}/admin/accounts/{account.username}"


async def checked_password(body: Registration, settings: Settings) -> str:
    """Return the password of ``body`` if it is strong enough.

    Raises:
        Invalid: the password is shorter than the configured limit, or too easy to guess.
    """
    return await acceptable(
        body.password,
        settings.password_min_chars,
        personal=(body.username, body.email),
        what=type(body).__name__,
        field="password",
    )
