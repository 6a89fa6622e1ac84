"""An index of RoleBindings: the namespaces in which a caller may have rights, and the roles.

A watch keeps the index up to date. It starts with the first lookup. The index authorizes nothing:
the API server evaluates RoleBindings when the caller's own request arrives. The index only saves a
request to each namespace of the cluster.
"""

import asyncio
import contextvars
from collections import defaultdict
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Final, Self

from fastapi import Depends

from wegent_api.http.errors import Forbidden, Problem, Unavailable
from wegent_api.http.state import FromState
from wegent_api.upstream.identity import Identity
from wegent_crds.members import GROUP_LABEL, ROLES, role_name
from wegent_kube import ApiError, KubeClient
from wegent_kube.informer import Informer
from wegent_kube.resources import ROLE_BINDINGS

FIRST_WITHIN_S: Final = 10.0
"""Seconds that a first lookup waits for the first list."""

Subject = tuple[str, str]
"""``User`` or ``Group``, with its name."""
Key = tuple[str, str]
"""Namespace and name of a RoleBinding."""
_ROLES: Final = {role_name(role): role for role in ROLES} | {
    "view": "viewer",
    "edit": "editor",
    "admin": "admin",
}
"""Wegent's role by ClusterRole. Wegent's ClusterRoles are part of Kubernetes' own."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One of Wegent's roles that a RoleBinding gives to a subject."""

    namespace: str
    role: str
    binding: str
    """Name of the RoleBinding."""
    of_group: bool = False
    """True if the operator wrote it for a member of a Group."""


class Bindings:
    """The RoleBindings of the cluster, indexed by subject. An async context manager."""

    def __init__(self, own_api: KubeClient) -> None:
        self._own_api = own_api
        self._subjects: dict[Key, frozenset[Subject]] = {}
        self._bound: defaultdict[Subject, set[Key]] = defaultdict(set)
        self._roles: dict[Key, str] = {}
        self._of_groups: set[Key] = set()
        self._task: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()
        self._problem: Problem | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def namespaces(self, identity: Identity) -> list[str]:
        """Return the namespaces in which ``identity`` may have rights, sorted.

        Raises:
            Forbidden: the proxy may not list RoleBindings.
            Unavailable: the RoleBindings are not known yet.
        """
        await self._begun()
        return sorted({space for space, _ in self._of(identity)})

    async def grants(self, identity: Identity) -> list[Grant]:
        """Return Wegent's roles of ``identity`` in namespaces, sorted by namespace.

        Raises the same errors as ``namespaces``.
        """
        await self._begun()
        found = sorted(key for key in self._of(identity) if key in self._roles)
        return [Grant(key[0], self._roles[key], key[1], key in self._of_groups) for key in found]

    def _of(self, identity: Identity) -> set[Key]:
        subjects = [("User", identity.username), *(("Group", it) for it in identity.groups)]
        return {key for it in subjects for key in self._bound.get(it, ())}

    async def _begun(self) -> None:
        if self._task is None:
            # The task outlives the request that starts it, and is not part of that request's
            # context.
            self._task = asyncio.create_task(
                Informer(self._own_api, ROLE_BINDINGS.path(), self).run(),
                context=contextvars.Context(),
            )
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_WITHIN_S):
                await self._tried.wait()
        if not self._tried.is_set():
            raise Unavailable("the RoleBindings of the cluster are not known yet; try again")
        if self._problem:
            raise self._problem

    def changed(self, body: Mapping[str, Any]) -> None:
        """Add or update a RoleBinding."""
        key = _key(body)
        self._put(key, frozenset(_subjects(body)))
        if key in self._subjects and (role := _role(body)):
            self._roles[key] = role
            if GROUP_LABEL in (body["metadata"].get("labels") or {}):
                self._of_groups.add(key)

    def deleted(self, name: Key) -> None:
        """Remove a RoleBinding."""
        self._put(name, frozenset())

    def listed(self, names: AbstractSet[Key]) -> None:
        """Remove all RoleBindings except these."""
        for gone in self._subjects.keys() - names:
            self._put(gone, frozenset())
        self._problem = None
        self._tried.set()

    def failed(self, error: Exception) -> None:
        """Record that the watch failed. The last known RoleBindings stay in use."""
        if not self._subjects:
            self._problem = _problem(error)
            self._tried.set()

    def _put(self, key: Key, subjects: frozenset[Subject]) -> None:
        self._roles.pop(key, None)
        self._of_groups.discard(key)
        for subject in self._subjects.pop(key, frozenset()) - subjects:
            self._bound[subject].discard(key)
            if not self._bound[subject]:
                del self._bound[subject]
        for subject in subjects:
            self._bound[subject].add(key)
        if subjects:
            self._subjects[key] = subjects


BindingsDep = Annotated[Bindings, Depends(FromState("bindings"))]
"""Parameter type of a route that looks up the namespaces of its caller."""


def _key(item: Mapping[str, Any]) -> Key:
    return item["metadata"]["namespace"], item["metadata"]["name"]


def _subjects(item: Mapping[str, Any]) -> Iterator[Subject]:
    for subject in item.get("subjects") or ():
        kind, name = subject["kind"], subject["name"]
        if kind == "ServiceAccount":
            kind, name = "User", f"system:serviceaccount:{subject.get('namespace', '')}:{name}"
        yield kind, name


def _role(item: Mapping[str, Any]) -> str | None:
    reference = item["roleRef"]
    return _ROLES.get(reference["name"]) if reference["kind"] == "ClusterRole" else None


def _problem(error: Exception) -> Problem:
    if isinstance(error, ApiError) and error.is_forbidden:
        return Forbidden(
            "namespace=*: requires the right to list in the whole cluster, because the proxy may"
            " not list RoleBindings; name a namespace"
        )
    return Unavailable("the RoleBindings of the cluster can't be listed; try again")
