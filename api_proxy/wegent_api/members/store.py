"""Members of a namespace: RoleBindings, read and written with the caller's own token.

RBAC decides who is an admin of the namespace, and the policy ``wegent-members`` limits their
RoleBindings. The same RoleBindings can be written with kubectl. The proxy uses its own rights for
two purposes only. It checks that a user exists, because the caller may not. And it removes a caller
who leaves, from the RoleBindings and from a Group, because a plain member may not write them.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from wegent_api.accounts.store import Accounts
from wegent_api.http.bearer import Caller
from wegent_api.http.errors import Conflict, NotFound, UpstreamStatus
from wegent_api.members.leaving import ENDS_WITHIN_S, leave_group, role_has_ended
from wegent_api.upstream.client import UserApi
from wegent_api.upstream.identity import identity, user_of
from wegent_crds.members import (
    ROLES,
    Membership,
    account_binding_name,
    binding,
    binding_name,
    memberships_in,
)
from wegent_kube import KubeClient, delete_or_none
from wegent_kube.resources import ROLE_BINDINGS

HELD_FOR_S: Final = 3.0
"""Seconds that a RoleBinding held by finalizers may take to lose its subject."""
POLL_S: Final = 0.2
GIVEN_AT_MOST: Final = 5
"""Tries to give a role that other changes at the same time take away."""
Delete = Callable[[str, Mapping[str, Any]], Awaitable[Any]]


class Members:
    """The memberships of namespaces, as one caller may see and change them."""

    def __init__(
        self, user_api: UserApi, caller: Caller, accounts: Accounts, own_api: KubeClient
    ) -> None:
        self._user_api = user_api
        self._caller = caller
        self._accounts = accounts
        self._own_api = own_api

    async def list(self, namespace: str) -> list[Membership]:
        """Return all memberships of ``namespace``, sorted by name.

        Raises:
            UpstreamStatus: the caller is not an admin of the namespace.
        """
        # Match by name and content. A RoleBinding without the label would give the role as well.
        return memberships_in(await self._bindings(namespace), self._accounts.namespace)

    async def put(self, namespace: str, username: str, role: str) -> None:
        """Set the role of ``username`` in ``namespace`` to ``role``.

        The new role is given before others are removed, so that the user always has a role. Only
        roles that existed before are removed. So of two concurrent changes, neither removes the
        other's role.

        Raises:
            NotFound: there is no such user.
            UpstreamStatus: the caller may not make the change.
        """
        given = [it for it in _of(await self.list(namespace), username) if not it.by_account]
        wanted = binding_name(username, role)
        if wanted not in {it.name for it in given}:
            await self._give(namespace, username, role)
        await self._take(namespace, [it for it in given if it.name != wanted], self._delete)

    async def remove(self, namespace: str, username: str) -> bool:
        """Remove the roles of ``username`` that were given in ``namespace``.

        An admin of the namespace may remove members whom its admins let in. Every user may remove
        themselves, also from the group whose namespace it is.

        Returns:
            False if the operator has not yet removed a role that the group gave.

        Raises:
            NotFound: the user is not a member.
            Conflict: the Account alone makes the user a member, or the group and the caller is
                another user, or a RoleBinding can't be deleted.
            UpstreamStatus: the caller may not make the change.
        """
        leaving, delete = await self._is_caller(username), self._delete
        try:
            roles = _of(await self.list(namespace), username)
        except UpstreamStatus as refused:
            if not refused.is_forbidden or not leaving:
                raise
            delete = self._delete_itself
            roles = _of(await self._memberships_of(namespace, username), username)
        given = [it for it in roles if not it.by_account]
        await self._take(namespace, given, delete)
        # The group goes last: its role may be the right to delete the others.
        left = await self._leave_group(namespace, username) if leaving else None
        if left is not None:
            return await role_has_ended(
                self._own_api, namespace, username, left, within_s=ENDS_WITHIN_S
            )
        if not roles:
            raise NotFound(f"{username} is not a member of the namespace {namespace}")
        if not given:
            raise Conflict(
                f"the Account of {username}, or a group, gives the role in the namespace"
                f" {namespace}; only an admin of all accounts can change that, and members of a"
                " group can leave it themselves"
            )
        return True

    async def _bindings(self, namespace: str) -> Sequence[Any]:
        path = ROLE_BINDINGS.path(namespace)
        listed = await self._user_api.request_json(self._caller, "GET", path)
        items: Sequence[Any] = listed["items"]
        return items

    async def _leave_group(self, namespace: str, username: str) -> str | None:
        return await leave_group(self._own_api, self._accounts, namespace, username)

    async def _is_caller(self, username: str) -> bool:
        name = (await identity(self._user_api, self._caller)).username
        return user_of(name, self._accounts.namespace) == username

    async def _memberships_of(self, namespace: str, username: str) -> Sequence[Membership]:
        """Return the roles that a user has, given and by Account, with the proxy's own rights."""
        found: list[Membership] = []
        names = [
            name
            for role in ROLES
            for name in (binding_name(username, role), account_binding_name(username, role))
        ]
        for name in names:
            params = {"fieldSelector": f"metadata.name={name}"}
            listed = await self._own_api.request(
                "GET", ROLE_BINDINGS.path(namespace), params=params
            )
            found += memberships_in(listed["items"], self._accounts.namespace)
        return found

    async def _give(self, namespace: str, username: str, role: str) -> None:
        if await self._accounts.get(username) is None:
            raise NotFound(f"user {username} not found")
        body = binding(namespace, self._accounts.namespace, username, role)
        name, path = body["metadata"]["name"], ROLE_BINDINGS.path(namespace)
        for tries_left in reversed(range(GIVEN_AT_MOST)):
            try:
                await self._user_api.request_json(self._caller, "POST", path, body=body)
            except UpstreamStatus as refused:
                if not refused.is_already_exists:
                    raise
                items = await self._bindings(namespace)
                if name in {it.name for it in memberships_in(items, self._accounts.namespace)}:
                    return
                # If it is there, it is not of Wegent's form: a user with other rights has written
                # it. If not, another change at the same time has taken the role away again.
                if not tries_left or name in {it["metadata"]["name"] for it in items}:
                    raise
            else:
                return

    async def _take(self, namespace: str, roles: Iterable[Membership], delete: Delete) -> None:
        for membership in roles:
            await self._let_go(namespace, membership, delete)

    async def _let_go(self, namespace: str, membership: Membership, delete: Delete) -> None:
        """Delete a RoleBinding and wait until it is gone, since it gives its role until then.

        If finalizers hold it, Wegent's operator removes its subject.

        Raises:
            Conflict: the user still has the role.
        """
        path = ROLE_BINDINGS.path(namespace, membership.name)
        deadline = time.monotonic() + HELD_FOR_S
        while True:
            left = await delete(path, {"preconditions": {"uid": membership.uid}})
            metadata = (left or {}).get("metadata") or {}
            if not metadata.get("finalizers") or not left.get("subjects"):
                return
            if time.monotonic() > deadline:
                held = ", ".join(metadata["finalizers"])
                raise Conflict(
                    f"{membership.username} still has the role {membership.role} in the namespace"
                    f" {namespace}: the RoleBinding {membership.name} is being deleted, and the"
                    f" finalizers {held} keep it; remove them from the RoleBinding"
                )
            await asyncio.sleep(POLL_S)

    async def _delete(self, path: str, options: Mapping[str, Any]) -> Any:
        deletion = self._user_api.request_json(self._caller, "DELETE", path, body=options)
        return await delete_or_none(deletion)

    async def _delete_itself(self, path: str, options: Mapping[str, Any]) -> Any:
        return await delete_or_none(self._own_api.request("DELETE", path, body=options))


def _of(memberships: Iterable[Membership], username: str) -> list[Membership]:
    return [it for it in memberships if it.username == username]
