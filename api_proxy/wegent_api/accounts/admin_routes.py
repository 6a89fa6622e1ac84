"""``/api/v1/auth/admin/accounts``: administration of Accounts.

Each request is made with the caller's token, so that RBAC decides who is an admin. These routes
only request changes of access. The operator and the API server carry them out, so that ``kubectl``
has the same effect.
"""

from contextlib import AsyncExitStack
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field, ValidationError

from wegent_api.accounts.admin_models import AccountChange, AccountList, AccountView, PasswordReset
from wegent_api.accounts.last_admin import LastAdminDep
from wegent_api.accounts.password_change import PasswordChangerDep
from wegent_api.accounts.password_hashing import acceptable
from wegent_api.accounts.store import Account, AccountsDep
from wegent_api.accounts.writers import STRICT, as_caller
from wegent_api.http import examples
from wegent_api.http.bearer import CallerDep
from wegent_api.http.bodies import body_of, no_body, read_form
from wegent_api.http.error_responses import invalid, pending
from wegent_api.http.errors import Cause, Invalid
from wegent_api.http.openapi import PENDING, request_body, statuses
from wegent_api.http.query import LIMIT, Continue, Parameters, Username, no_repeats
from wegent_api.http.state import SettingsDep
from wegent_api.upstream.client import UserApiDep
from wegent_kube.content_types import JSON, MERGE_PATCH

router: Final = APIRouter(prefix="/api/v1/auth/admin/accounts", tags=["admin"])


class PageParameters(Parameters):
    """Parameters of a list."""

    limit: Annotated[int | None, Field(ge=1, le=2**31 - 1, description=LIMIT)] = None
    continue_: Continue = None

    def upstream(self) -> dict[str, str]:
        """Return the parameters of the request to the API server."""
        given = self.model_dump(by_alias=True, exclude_none=True)
        return {name: str(value) for name, value in given.items()}


async def account_change(request: Request) -> dict[str, Any]:
    """Return a valid `AccountChange` as it was sent. FastAPI dependency.

    A merge patch (RFC 7386) gives null a meaning, which a model would lose.
    """
    value = await read_form(request, (JSON, MERGE_PATCH))
    try:
        AccountChange.model_validate(value)
    except ValidationError as error:
        raise invalid("AccountChange", error) from None
    if "email" in value and value["email"] is None:
        raise Invalid.of(
            [Cause("FieldValueRequired", "email", "can't be removed")], what="AccountChange"
        )
    return value


@router.get(
    "",
    summary="List accounts",
    dependencies=[Depends(no_repeats)],
    response_model_exclude_none=True,
    responses=statuses(400, 401, 403, 410, 503),
)
async def list_accounts(
    accounts: AccountsDep,
    user_api: UserApiDep,
    caller: CallerDep,
    parameters: Annotated[PageParameters, Query()],
) -> AccountList:
    """List all accounts, or a page of them."""
    path = accounts.path()
    page = await user_api.request_json(caller, "GET", path, params=parameters.upstream())
    items = [AccountView.of(item) for item in page["items"]]
    return AccountList(items=items, continue_=page["metadata"].get("continue") or None)


@router.get("/{username}", summary="Get an account", responses=statuses(400, 401, 403, 404, 503))
async def get_account(
    accounts: AccountsDep, user_api: UserApiDep, caller: CallerDep, username: Username
) -> AccountView:
    """Get one account."""
    path = accounts.path(username)
    return AccountView.of(await user_api.request_json(caller, "GET", path))


@router.patch(
    "/{username}",
    summary="Change, suspend or reactivate an account",
    responses=statuses(400, 401, 403, 404, 409, 413, 415, 422, 503),
    openapi_extra=request_body(AccountChange, examples.ACCOUNT_CHANGE),
)
async def change_account(
    accounts: AccountsDep,
    user_api: UserApiDep,
    last_admin: LastAdminDep,
    caller: CallerDep,
    username: Username,
    body: Annotated[dict[str, Any], Depends(account_change)],
) -> AccountView:
    """Change the given fields of an account. The tokens of a suspended account are refused."""
    write = as_caller(user_api, caller)
    path = accounts.path(username)
    async with AsyncExitStack() as stack:
        if body.get("role", "admin") != "admin" or body.get("suspended"):
            await stack.enter_async_context(last_admin.kept(caller, username))
        changed = await write(
            "PATCH", path, body={"spec": body}, params=STRICT, content_type=MERGE_PATCH
        )
        return AccountView.of(changed)
    raise AssertionError("no context manager in here swallows exceptions")


@router.delete(
    "/{username}",
    status_code=204,
    summary="Delete an account",
    dependencies=[Depends(no_body)],
    response_class=Response,
    responses=PENDING | statuses(400, 401, 403, 404, 409, 503),
)
async def delete_account(
    accounts: AccountsDep,
    user_api: UserApiDep,
    last_admin: LastAdminDep,
    caller: CallerDep,
    username: Username,
) -> Response:
    """Delete an account for good. The user's namespace, with all its objects, stays.

    Answers 202 if finalizers hold the account. The access then ends, but the name stays taken.
    """
    path = accounts.path(username)
    async with last_admin.kept(caller, username):
        left = await user_api.request_json(caller, "DELETE", path)
    if finalizers := (left.get("metadata") or {}).get("finalizers"):
        held = ", ".join(finalizers)
        return pending(
            f"the user {username} has no access any more; the Account is kept by the finalizers"
            f" {held}, and its name is in use until they are removed",
            {},
        )
    return Response(status_code=204)


@router.post(
    "/{username}/password",
    status_code=204,
    summary="Reset a user's password",
    response_class=Response,
    responses=statuses(400, 401, 403, 404, 409, 413, 415, 422, 503),
    openapi_extra=request_body(PasswordReset, examples.PASSWORD_RESET),
)
async def reset_password(
    settings: SettingsDep,
    accounts: AccountsDep,
    user_api: UserApiDep,
    changer: PasswordChangerDep,
    caller: CallerDep,
    username: Username,
    body: Annotated[PasswordReset, Depends(body_of(PasswordReset))],
) -> Response:
    """Set a new password for a user and end all their sessions."""
    least = settings.password_min_chars
    new = await acceptable(
        body.new_password, least, personal=(username,), what="PasswordReset", field="newPassword"
    )
    path = accounts.path(username)
    account = Account.of(await user_api.request_json(caller, "GET", path))
    write = as_caller(user_api, caller)
    await changer.change(account, new, write, dry_run_first=True)
    return Response(status_code=204)
