"""The objects of the cluster, and an index of the references between them.

The key of the reverse index is the *target* of each reference. Missing targets are
included, so that a new object finds its referrers without a search. All functions
here are synchronous, and touch only changed entries.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Final, Generic, TypeVar

from wegent_crds.api_keys import KINDS_WITH_KEYS
from wegent_crds.conditions import ConditionType, find_condition
from wegent_crds.references import ObjectKey
from wegent_crds.registry import ACCOUNT, BY_PLURAL
from wegent_operator.state.key_secrets import MAX_NAMES, KeySecrets
from wegent_operator.state.limits import Limit
from wegent_operator.state.objects import (
    AccountState,
    GroupState,
    ModelState,
    ObjectState,
    ShellState,
    TaskState,
    TeamState,
    ToolsState,
    key_role_key,
    key_secrets_of,
    namespace_key,
)

_K = TypeVar("_K", str, ObjectKey)
_H = TypeVar("_H", bound=Hashable)

_WITH_KEYS: Final = frozenset(kind.plural for kind in KINDS_WITH_KEYS)
REMEMBERED: Final = 4096
"""Number of deletions to remember. A list may be older than a deletion that is known."""


class Gone(Generic[_H]):
    """The versions at which the latest objects were deleted."""

    def __init__(self) -> None:
        self._versions: dict[_H, int] = {}

    def note(self, key: _H, version: int) -> None:
        """Note a deletion."""
        version = max(version, self._versions.pop(key, 0))
        self._versions[key] = version
        if len(self._versions) > REMEMBERED:
            del self._versions[next(iter(self._versions))]

    def outdates(self, key: _H, version: int) -> bool:
        """Return whether an object of this version has been deleted since."""
        return version < self._versions.get(key, 0)


class Cache:
    """Objects by key, the reverse index, namespaces' labels. A ``View`` for verdicts."""

    def __init__(
        self,
        shared_namespaces: Iterable[str] = (),
        served_shells: Iterable[str] = (),
        served_modes: Iterable[str] = (),
        *,
        reserved_namespaces: Iterable[str] = (),
        stdio_permitted: bool = False,
        max_key_secrets: int = MAX_NAMES,
    ) -> None:
        self.shared_namespaces = frozenset(shared_namespaces)
        self.reserved_namespaces = frozenset(reserved_namespaces)
        """Patterns of names that no Group may have for a new namespace."""
        self.served_shells = frozenset(served_shells)
        self.served_modes = frozenset(served_modes)
        self.stdio_permitted = stdio_permitted
        self._objects: dict[ObjectKey, ObjectState] = {}
        self._referrers: defaultdict[ObjectKey, set[ObjectKey]] = defaultdict(set)
        self._crossing: defaultdict[str, set[ObjectKey]] = defaultdict(set)
        self._by_namespace: defaultdict[str, set[ObjectKey]] = defaultdict(set)
        self._key_secrets = KeySecrets(max_key_secrets)
        self._regranted: dict[ObjectKey, frozenset[ObjectKey]] = {}
        """Objects whose key runners may read, or not any more, since an object was changed."""
        self.admins: frozenset[ObjectKey] = frozenset()
        """Accounts of admins that are neither suspended nor being deleted. Each change creates a
        new set."""
        self._terminating: set[str] = set()
        self._dirty: dict[ObjectKey, bool] = {}
        """Objects whose dependents are not enqueued yet: True if the object itself has changed,
        False if only an object that it depends on has."""
        self._members: defaultdict[ObjectKey, set[ObjectKey]] = defaultdict(set)
        """Accounts that were or are members of changed Groups, not enqueued yet."""
        self.counts_by_reason: Counter[tuple[str, str]] = Counter()
        """Number of objects, by kind and by the reason of the condition Ready."""
        self._labels: dict[str, Mapping[str, str]] = {}
        self._limits: dict[str, Mapping[str, Limit]] = {}
        self._namespace_versions: dict[str, int] = {}
        self._gone: Gone[ObjectKey] = Gone()

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: ObjectKey) -> ObjectState | None:
        """Return an object's state."""
        return self._objects.get(key)

    def keys(self, plural: str | None = None) -> Iterator[ObjectKey]:
        """Yield the keys of all objects, or of those of one kind."""
        return (key for key in tuple(self._objects) if plural is None or key.plural == plural)

    def referrers(self, key: ObjectKey) -> frozenset[ObjectKey]:
        """Return the keys of objects that refer to ``key``; ``key`` need not exist."""
        return frozenset(self._referrers.get(key, ()))

    def put(self, state: ObjectState) -> bool:
        """Store an object; return False if this version or a newer one is known already.

        A watch may deliver a version that is older than the operator's own last write.
        """
        known = self._objects.get(state.key)
        if known is not None and known.version >= state.version:
            return False
        if self._gone.outdates(state.key, state.version):
            return False
        if known is None or _outward(known) != _outward(state):
            self._dirty[state.key] = True
            self._note_members(known, state)
        self._unindex(known)
        self._objects[state.key] = state
        self.counts_by_reason[_entry(state)] += 1
        self._count_admin(state.key, counts=_is_active_admin(state))
        self._by_namespace[state.key.namespace].add(state.key)
        self._name_secrets(state.key, known, state)
        for reference in state.references:
            self._referrers[reference.target].add(state.key)
            if reference.target.namespace not in ("", state.key.namespace):
                self._crossing[state.key.namespace].add(state.key)
        return True

    def remove(self, key: ObjectKey, uid: str | None = None, *, version: int = 0) -> bool:
        """Remove an object; with ``uid``, only if the cache has the object of that uid.

        With ``version``, older versions of the object are not stored any more.
        """
        known = self._objects.get(key)
        if version:
            self._gone.note(key, version)
        if known is None or (uid is not None and known.uid != uid):
            return False
        self._unindex(known)
        self._name_secrets(key, known, None)
        self._count_admin(key, counts=False)
        _discard(self._by_namespace, key.namespace, key)
        del self._objects[key]
        self._dirty[key] = True
        self._note_members(known)
        return True

    def key_secrets(self, namespace: str) -> frozenset[str]:
        """Return the names of the Secrets with keys that runners may read in a namespace."""
        return self._key_secrets.readable(namespace)

    def is_key_readable(self, namespace: str, name: str) -> bool:
        """Return whether runners may read a Secret to which an object of the namespace refers."""
        return self._key_secrets.is_readable(namespace, name)

    def namespaces_with_keys(self) -> frozenset[str]:
        """Return the namespaces with an object that refers to a Secret with a key."""
        return self._key_secrets.namespaces()

    def pop_dependents(self, key: ObjectKey) -> frozenset[ObjectKey]:
        """Return the objects that depend on the changes of ``key``, and mark them as changed.

        A referrer may have been evaluated and written between the change and this call.
        Comparing only the current state would miss a change that was reverted, so every
        change goes through the whole chain of referrers. A reference within a kind depends on the
        referent's own fields alone, so such references may form a cycle.
        """
        itself = self._dirty.pop(key, None)
        if itself is None:
            return frozenset()
        concerned = self.referrers(key)
        if not itself:
            concerned = frozenset(it for it in concerned if it.plural != key.plural)
        if itself and key.plural in _WITH_KEYS:
            concerned |= {key_role_key(key.namespace), *self._regranted.pop(key, ())}
        concerned |= self._members.pop(key, set())
        self._mark_dependents(concerned)
        return concerned

    def _mark_dependents(self, keys: Iterable[ObjectKey]) -> None:
        for key in keys:
            self._dirty.setdefault(key, False)

    def clear_dirty(self) -> None:
        """Forget all changes, because every object will be reconciled."""
        self._dirty.clear()
        self._members.clear()
        self._regranted.clear()

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        """Return a namespace's labels; none for one that isn't known."""
        return self._labels.get(name, {})

    def known_namespace_labels(self, name: str) -> Mapping[str, str] | None:
        """Return a namespace's labels; None for one that doesn't exist."""
        return self._labels.get(name)

    def has_namespace(self, name: str) -> bool:
        """Return whether a namespace exists."""
        return name in self._labels

    def namespace_limits(self, name: str) -> Mapping[str, Limit]:
        """Return the annotations of a namespace that limit the calls of Models."""
        return self._limits.get(name, {})

    def namespaces(self) -> tuple[str, ...]:
        """Return the names of all namespaces."""
        return tuple(self._labels)

    def is_terminating(self, namespace: str) -> bool:
        """Return whether a namespace is being deleted."""
        return namespace in self._terminating

    def put_namespace(
        self,
        name: str,
        labels: Mapping[str, str] | None,
        *,
        limits: Mapping[str, Limit] | None = None,
        terminating: bool = False,
        version: int = 0,
    ) -> frozenset[ObjectKey]:
        """Store a namespace's labels, None if it is gone; return the keys of dependent objects.

        A version that is older than the stored one is ignored; 0 is an unknown version.

        Dependent objects are the Accounts that need the namespace, and the objects in it that
        refer to other namespaces, because their access depends on their own namespace's labels.
        When the namespace's deletion begins, all objects in it are dependent.
        """
        key = namespace_key(name)
        if version and version < self._namespace_versions.get(name, 0):
            return frozenset()
        known, went = self._labels.get(name), name in self._terminating
        limited = self._limits.get(name, {})
        if labels is None:
            if version:
                self._gone.note(key, version)
            self._labels.pop(name, None)
            self._limits.pop(name, None)
            self._namespace_versions.pop(name, None)
        elif version and self._gone.outdates(key, version):
            return frozenset()
        else:
            self._labels[name] = dict(labels)
            self._namespace_versions[name] = version
            self._limits.pop(name, None)
            if limits:
                self._limits[name] = dict(limits)
        if terminating:
            self._terminating.add(name)
        else:
            self._terminating.discard(name)
        concerned = self._by_namespace.get(name, set()) if terminating and not went else set()
        if known != labels or limited != self._limits.get(name, {}):
            concerned = concerned | self.referrers(namespace_key(name))
            concerned |= self._crossing.get(name, set())
        self._mark_dependents(concerned)
        return frozenset(concerned)

    def _note_members(self, *states: ObjectState | None) -> None:
        """Note the Accounts that Groups name, before and after a change."""
        for state in states:
            if isinstance(state, GroupState):
                targets = (reference.target for reference in state.references)
                self._members[state.key] |= {it for it in targets if it.plural == ACCOUNT.plural}

    def _name_secrets(
        self, key: ObjectKey, before: ObjectState | None, after: ObjectState | None
    ) -> None:
        """Store the Secrets that an object names, and note the objects with a changed right."""
        names = (key_secrets_of(it) if it else frozenset[str]() for it in (before, after))
        if regranted := self._key_secrets.replace(key, *names):
            self._regranted[key] = self._regranted.get(key, frozenset()) | regranted

    def _count_admin(self, key: ObjectKey, *, counts: bool) -> None:
        if (key in self.admins) is not counts:
            self.admins = self.admins ^ {key}

    def _unindex(self, state: ObjectState | None) -> None:
        if state is None:
            return
        self.counts_by_reason[_entry(state)] -= 1
        for reference in state.references:
            _discard(self._referrers, reference.target, state.key)
        _discard(self._crossing, state.key.namespace, state.key)


def _entry(state: ObjectState) -> tuple[str, str]:
    ready = find_condition(state.conditions, ConditionType.READY)
    return BY_PLURAL[state.key.plural].kind, ready.reason if ready else ""


def _is_active_admin(state: ObjectState) -> bool:
    return (
        isinstance(state, AccountState)
        and state.spec.role == "admin"
        and not state.spec.suspended
        and not state.deleting
    )


def _outward(state: ObjectState) -> tuple[object, ...]:
    """Return the fields on which other objects depend, directly or indirectly."""
    own: tuple[object, ...] = ()
    if isinstance(state, ModelState):
        own = (state.provider, state.key_secret)
    elif isinstance(state, ToolsState):
        own = state.mcp_servers
    elif isinstance(state, ShellState):
        own = (state.type, state.supported_providers)
    elif isinstance(state, TeamState):
        own = (state.mode,)
    elif isinstance(state, TaskState):
        own = (state.end,)
    elif isinstance(state, AccountState):
        own = (state.uid, state.deleting)
    elif isinstance(state, GroupState):
        own = (state.uid, state.deleting, state.members, state.bound)
    return state.references, state.access_from, own


def _discard(index: defaultdict[_K, set[ObjectKey]], key: _K, value: ObjectKey) -> None:
    """Remove a value from an index, and remove the key with its last value."""
    values = index.get(key)
    if values is not None:
        values.discard(value)
        if not values:
            del index[key]
