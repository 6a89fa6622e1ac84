"""``/api/v1/namespaces/{namespace}/members``: members of a namespace, for its admins."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Response
from pydantic import AfterValidator

from wegent_api.accounts.store import AccountsDep
from wegent_api.http import examples
from wegent_api.http.bearer import CallerDep
from wegent_api.http.bodies import body_of, no_body
from wegent_api.http.error_responses import pending
from wegent_api.http.openapi import PENDING, request_body, statuses
from wegent_api.http.query import Username
from wegent_api.members.models import Member, MemberChange, MemberList
from wegent_api.members.store import Members
from wegent_api.names import LABEL_SCHEMA, dns_label
from wegent_api.upstream.client import UserApiDep
from wegent_api.upstream.own_api import OwnApiDep

Namespace = Annotated[
    str, Path(description="Name of the namespace."), AfterValidator(dns_label), LABEL_SCHEMA
]

router: Final = APIRouter(prefix="/api/v1/namespaces/{namespace}/members", tags=["members"])


async def _members(
    user_api: UserApiDep, caller: CallerDep, accounts: AccountsDep, own_api: OwnApiDep
) -> Members:
    return Members(user_api, caller, accounts, own_api)


MembersDep = Annotated[Members, Depends(_members)]
"""Parameter type of a route that reads or changes memberships as its caller."""


@router.get(
    "",
    summary="List the members of a namespace",
    response_model_exclude_none=True,
    responses=statuses(400, 401, 403, 503),
)
async def list_members(members: MembersDep, namespace: Namespace) -> MemberList:
    """List the members of the namespace. Only its admins may do so."""
    found = await members.list(namespace)
    everybody = [it.role for it in found if it.username is None]
    return MemberList.model_validate(
        {
            "items": [Member.of(it) for it in found if it.username is not None],
            "allUsers": everybody[0] if everybody else None,
        }
    )


@router.put(
    "/{username}",
    summary="Add a member to a namespace, or change the member's role",
    responses=statuses(400, 401, 403, 404, 409, 413, 415, 422, 503),
    openapi_extra=request_body(MemberChange, examples.MEMBER_CHANGE),
)
async def put_member(
    members: MembersDep,
    namespace: Namespace,
    username: Username,
    body: Annotated[MemberChange, Depends(body_of(MemberChange))],
) -> Member:
    """Set the user's role in the namespace. Repeating the request changes nothing."""
    await members.put(namespace, username, body.role)
    return Member(username=username, role=body.role, by_account=False)


@router.delete(
    "/{username}",
    status_code=204,
    summary="Remove a member from a namespace, or leave it",
    dependencies=[Depends(no_body)],
    response_class=Response,
    responses=PENDING | statuses(400, 401, 403, 404, 409, 503),
)
async def delete_member(members: MembersDep, namespace: Namespace, username: Username) -> Response:
    """Remove a member. Every member may leave, also a group. A role that the account gives stays.

    Answers 202 if the operator has yet to take away the role that a group gave.
    """
    if not await members.remove(namespace, username):
        return pending(
            f"{username} is no longer a member of the group {namespace}; the role there ends when"
            " Wegent's operator has seen that",
            {},
        )
    return Response(status_code=204)
