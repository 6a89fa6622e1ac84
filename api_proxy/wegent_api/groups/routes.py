"""``/api/v1/namespaces``: the caller's namespaces, and those of groups for admins."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import AfterValidator, ValidationError

from wegent_api.accounts.access import access_of
from wegent_api.accounts.store import AccountsDep
from wegent_api.groups.models import (
    NamespaceChange,
    NamespaceCreation,
    NamespaceList,
    NamespaceView,
)
from wegent_api.groups.store import Groups, finalizers_of
from wegent_api.http import examples
from wegent_api.http.bearer import CallerDep
from wegent_api.http.bodies import body_of, no_body, read_form
from wegent_api.http.error_responses import invalid, pending
from wegent_api.http.openapi import PENDING, request_body, statuses
from wegent_api.http.state import SettingsDep
from wegent_api.names import LABEL_SCHEMA, dns_label
from wegent_api.upstream.client import UserApiDep
from wegent_api.upstream.identity import identity, user_of
from wegent_api.upstream.role_bindings import BindingsDep
from wegent_api.upstream.wait import EventWaiterDep
from wegent_kube.content_types import JSON, MERGE_PATCH

NULLABLE: Final = frozenset({"displayName", "members", "quota", "limits"})
"""Fields of a change for which null restores the default."""
PREFIX: Final = "/api/v1/namespaces"
router: Final = APIRouter(prefix=PREFIX, tags=["namespaces"])

Name = Annotated[
    str, Path(description="Name of the namespace."), AfterValidator(dns_label), LABEL_SCHEMA
]


async def _groups(
    user_api: UserApiDep, caller: CallerDep, accounts: AccountsDep, waiter: EventWaiterDep
) -> Groups:
    return Groups(user_api, caller, accounts, waiter)


GroupsDep = Annotated[Groups, Depends(_groups)]
"""Parameter type of a route that reads or writes Groups as its caller."""


async def namespace_change(request: Request) -> dict[str, Any]:
    """Return a valid `NamespaceChange` as it was sent. FastAPI dependency.

    A merge patch (RFC 7386) gives null a meaning, which a model would lose.
    """
    value = await read_form(request, (JSON, MERGE_PATCH))
    given = {key: it for key, it in value.items() if it is not None or key not in NULLABLE}
    if isinstance(limits := given.get("limits"), dict):
        given["limits"] = {key: it for key, it in limits.items() if it is not None}
    try:
        NamespaceChange.model_validate(given)
    except ValidationError as error:
        raise invalid("NamespaceChange", error) from None
    return value


@router.get(
    "",
    summary="List the caller's namespaces",
    response_model_exclude_none=True,
    responses=statuses(401, 403, 410, 503),
)
async def list_namespaces(
    settings: SettingsDep,
    user_api: UserApiDep,
    caller: CallerDep,
    accounts: AccountsDep,
    bindings: BindingsDep,
    groups: GroupsDep,
) -> NamespaceList:
    """List the namespaces that the caller may use. Admins of Wegent see those of all groups."""
    who = await identity(user_api, caller)
    username = user_of(who.username, settings.accounts_namespace)
    account = None if username is None else await accounts.get(username)
    of_account = {it["name"] for it in account.namespaces} if account else ()
    access = access_of(await bindings.grants(who), username if account else None, of_account)
    return NamespaceList.of(access, await groups.list(), settings.default_namespace)


@router.post(
    "",
    status_code=201,
    summary="Create a namespace for a group",
    response_model_exclude_none=True,
    responses=statuses(400, 401, 403, 409, 413, 415, 422, 503),
    openapi_extra=request_body(NamespaceCreation, examples.NAMESPACE),
)
async def create_namespace(
    response: Response,
    groups: GroupsDep,
    body: Annotated[NamespaceCreation, Depends(body_of(NamespaceCreation))],
) -> NamespaceView:
    """Create a namespace with members, a quota and limits. Only admins of Wegent may do so."""
    created = await groups.create(body.name, body.group_spec(), body.group_annotations())
    response.headers["Location"] = f"{PREFIX}/{body.name}"
    return NamespaceView.of(created)


@router.get(
    "/{name}",
    summary="Get the namespace of a group",
    response_model_exclude_none=True,
    responses=statuses(400, 401, 403, 404, 503),
)
async def get_namespace(groups: GroupsDep, name: Name) -> NamespaceView:
    """Get the namespace of a group, with members, quota and limits, as an admin of Wegent."""
    return NamespaceView.of(await groups.get(name))


@router.patch(
    "/{name}",
    summary="Change the namespace of a group",
    response_model_exclude_none=True,
    responses=statuses(400, 401, 403, 404, 409, 413, 415, 422, 503),
    openapi_extra=request_body(NamespaceChange, examples.NAMESPACE_CHANGE),
)
async def change_namespace(
    groups: GroupsDep,
    name: Name,
    body: Annotated[dict[str, Any], Depends(namespace_change)],
) -> NamespaceView:
    """Change the given fields: a merge patch, in which `members` is replaced as a whole."""
    return NamespaceView.of(await groups.change(name, body))


@router.delete(
    "/{name}",
    status_code=204,
    summary="End a group's access to its namespace",
    dependencies=[Depends(no_body)],
    response_class=Response,
    responses=PENDING | statuses(400, 401, 403, 404, 409, 503),
)
async def delete_namespace(groups: GroupsDep, name: Name) -> Response:
    """Delete the group. The access of its members ends; the namespace and its objects stay.

    Answers 202 if finalizers hold the Group. The access then ends, but the name stays taken.
    """
    if held := finalizers_of(await groups.delete(name)):
        return pending(
            f"the group {name} has no access any more; the Group is kept by the finalizers"
            f" {held}, and its name is in use until they are removed",
            {},
        )
    return Response(status_code=204)
