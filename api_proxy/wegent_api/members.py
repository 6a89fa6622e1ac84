"""Who may work in a namespace: RoleBindings, read and written with the caller's own token.

RBAC decides who is an admin there, and the policy ``wegent-members`` what they may write; the
same RoleBindings can be written with kubectl. The proxy's own rights serve one question only,
which the caller may not ask: whether there is a user of that name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from wegent_api.accounts import Accounts
from wegent_api.callers import Caller
from wegent_api.errors import Conflict, NotFound, Refused
from wegent_api.upstream import CallersApi
from wegent_crds import members
from wegent_crds.members import MANAGED_BY, ROLES, binding, binding_name, role_name
from wegent_kube.resources import ROLE_BINDINGS

OPERATOR: Final = "wegent-operator"
"""Value of ``MANAGED_BY`` on the operator's RoleBindings, which follow from Accounts."""
SELECTOR: Final = f"{MANAGED_BY} in ({OPERATOR},{members.MANAGER})"
_ROLES: Final = {role_name(role): role for role in ROLES}


@dataclass(frozen=True, slots=True)
class Membership:
    """One role of one user, or of all users, in a namespace."""

    username: str | None
    """None: of all users."""
    role: str
    by_account: bool
    """Whether it follows from the Account, and is changed there only."""
    name: str
    uid: str
    """Of the RoleBinding."""


class Members:
    """The memberships of namespaces, as one caller may see and change them."""

    def __init__(self, callers: CallersApi, caller: Caller, accounts: Accounts) -> None:
        self._callers = callers
        self._caller = caller
        self._accounts = accounts

    async def list(self, namespace: str) -> list[Membership]:
        """Return all memberships of ``namespace``, in the order of their names.

        Raises:
            Refused: the caller is no admin there.
        """
        params = {"labelSelector": SELECTOR}
        path = ROLE_BINDINGS.path(namespace)
        listed = await self._callers.fetch(self._caller, "GET", path, params=params)
        found = (_membership(item, self._accounts.namespace) for item in listed["items"])
        return [membership for membership in found if membership is not None]

    async def put(self, namespace: str, username: str, role: str) -> None:
        """Make ``role`` the one that ``username`` is given in ``namespace``.

        The new one is given before others are taken, so that nobody is locked out in between,
        and only those are taken that were there before: of two changes at once, neither takes
        what the other gives.

        Raises:
            NotFound: there is no such user.
            Refused: the caller may not.
        """
        given = [it for it in _of(await self.list(namespace), username) if not it.by_account]
        wanted = binding_name(username, role)
        if wanted not in {it.name for it in given}:
            await self._give(namespace, username, role)
        await self._take(namespace, [it for it in given if it.name != wanted])

    async def remove(self, namespace: str, username: str) -> None:
        """Take from ``username`` what they were given in ``namespace``.

        Raises:
            NotFound: they are no member.
            Conflict: they are one by their Account alone.
            Refused: the caller may not.
        """
        roles = _of(await self.list(namespace), username)
        if not roles:
            raise NotFound(f"{username} is no member of the namespace {namespace}")
        if all(it.by_account for it in roles):
            raise Conflict(
                f"{username} is a member of the namespace {namespace} by their account;"
                " only an admin of all accounts can change that, there"
            )
        await self._take(namespace, [it for it in roles if not it.by_account])

    async def _give(self, namespace: str, username: str, role: str) -> None:
        if await self._accounts.get(username) is None:
            raise NotFound(f"there is no user {username}")
        body = binding(namespace, self._accounts.namespace, username, role)
        path = ROLE_BINDINGS.path(namespace)
        try:
            await self._callers.fetch(self._caller, "POST", path, body=body)
        except Refused as refused:
            if refused.status.get("reason") != "AlreadyExists":
                raise
            if body["metadata"]["name"] not in {it.name for it in await self.list(namespace)}:
                raise  # not of our form: somebody with other rights than these has written it

    async def _take(self, namespace: str, roles: Iterable[Membership]) -> None:
        for membership in roles:
            path = ROLE_BINDINGS.path(namespace, membership.name)
            very_one = {"preconditions": {"uid": membership.uid}}
            try:
                await self._callers.fetch(self._caller, "DELETE", path, body=very_one)
            except Refused as refused:
                if refused.code not in {404, 409}:  # gone, or another one by now
                    raise


def _of(memberships: Iterable[Membership], username: str) -> list[Membership]:
    return [it for it in memberships if it.username == username]


def _membership(body: Mapping[str, Any], accounts_namespace: str) -> Membership | None:
    """Return what a RoleBinding gives to users; None if it is not of Wegent's form."""
    metadata = body["metadata"]
    role = _ROLES.get(body["roleRef"]["name"])
    subjects = body.get("subjects") or []
    if role is None or len(subjects) != 1:
        return None
    [subject] = subjects
    by_account = metadata["labels"][MANAGED_BY] == OPERATOR
    if subject["kind"] == "ServiceAccount" and subject.get("namespace") == accounts_namespace:
        username = subject["name"]
        if not by_account and metadata["name"] != binding_name(username, role):
            return None
    elif subject["kind"] == "Group" and subject["name"] == (
        f"system:serviceaccounts:{accounts_namespace}"
    ):
        username = None
    else:
        return None
    return Membership(username, role, by_account, metadata["name"], metadata["uid"])
