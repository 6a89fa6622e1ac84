"""The members of a namespace: over the REST API, or as RoleBindings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import quote

from wegent_crds.members import (
    RBAC_GROUP,
    ROLES,
    binding,
    binding_name,
    memberships_in,
)
from wegent_sdk.errors import AlreadyExists, NotFound
from wegent_sdk.objects import encoded
from wegent_sdk.raw import RawOperations
from wegent_sdk.wire import Request

ACCOUNTS_NAMESPACE: Final = "wegent-accounts"
Role = Literal["viewer", "editor", "admin"]


@dataclass(frozen=True, slots=True)
class Member:
    """A user with a role in a namespace.

    Attributes:
        username: name of the user; None for all users, in shared namespaces.
        role: the role.
        by_account: True if the Account gives the role, and not the namespace.
    """

    username: str | None
    role: str
    by_account: bool


class MemberOperations:
    """Requests for the members of one namespace.

    Args:
        raw: requests for dictionaries.
        namespace: the namespace.
    """

    def __init__(self, raw: RawOperations, namespace: str) -> None:
        self._raw = raw
        self._namespace = namespace
        self._path = f"/api/v1/namespaces/{quote(namespace, safe='')}/members"
        self._bindings = (
            f"/apis/{RBAC_GROUP}/v1/namespaces/{quote(namespace, safe='')}/rolebindings"
        )

    async def list(self) -> Sequence[Member]:
        """Return the members, one item for each role of each user.

        Raises:
            Forbidden: the user is no admin of the namespace.
            WegentError: the request failed.
        """
        if not self._raw.target.is_rest:
            found = await self._raw.request("GET", self._bindings)
            with self._raw.api.reading():
                return [
                    Member(it.username, it.role, it.by_account)
                    for it in memberships_in(found["items"], ACCOUNTS_NAMESPACE)
                ]
        body = await self._raw.request("GET", self._path)
        with self._raw.api.reading():
            members = [Member(it["username"], it["role"], it["byAccount"]) for it in body["items"]]
            everyone = body.get("allUsers")
        return [*members, *([Member(None, everyone, by_account=True)] if everyone else [])]

    async def put(self, username: str, role: Role) -> None:
        """Give a user a role, in place of the one that the namespace gave before.

        Raises:
            NotFound: there is no such user. With a kubeconfig, that is not checked.
            Forbidden: the user is no admin of the namespace.
            WegentError: the request failed.
        """
        if self._raw.target.is_rest:
            await self._send("PUT", f"{self._path}/{quote(username, safe='')}", {"role": role})
            return
        try:
            body = binding(self._namespace, ACCOUNTS_NAMESPACE, username, role)
            await self._raw.request("POST", self._bindings, body=body)
        except AlreadyExists:
            pass  # the user has the role
        await self._take(username, [it for it in ROLES if it != role])

    async def delete(self, username: str) -> None:
        """Take the roles away that the namespace gave to a user.

        Raises:
            NotFound: the user is no member.
            Conflict: the Account alone gives the role.
            WegentError: the request failed.
        """
        if self._raw.target.is_rest:
            path = f"{self._path}/{quote(username, safe='')}"
            await self._raw.api.delete(Request("DELETE", path))
            return
        if not await self._take(username, ROLES):
            raise NotFound(
                f"{username} is not a member of the namespace {self._namespace}",
                status=404,
                reason="NotFound",
            )

    async def _take(self, username: str, roles: Sequence[str]) -> bool:
        taken = False
        for role in roles:
            path = f"{self._bindings}/{quote(binding_name(username, role), safe='')}"
            try:
                await self._raw.api.delete(Request("DELETE", path))
                taken = True
            except NotFound:
                continue
        return taken

    async def _send(self, method: str, path: str, body: Any) -> Any:
        return await self._raw.api.request(
            Request(method, path, content=encoded(body), repeatable=True)
        )
