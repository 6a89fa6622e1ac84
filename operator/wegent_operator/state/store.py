"""What is there, and who refers to it.

The reverse index is keyed by the *target* of each reference, missing targets
included, so that an object that appears finds its referrers without a search.
Everything here is synchronous and touches only what changed.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Final, Generic, TypeVar

from wegent_crds.conditions import ConditionType
from wegent_crds.references import ObjectKey
from wegent_crds.registry import BY_PLURAL
from wegent_operator.state.conditions import find
from wegent_operator.state.objects import Facts, namespace_key

_K = TypeVar("_K", str, ObjectKey)
_H = TypeVar("_H", bound=Hashable)

REMEMBERED: Final = 4096
"""Deletions that are remembered: a list that is read while they are told is older than they."""


class Gone(Generic[_H]):
    """The versions at which the latest things to go went."""

    def __init__(self) -> None:
        self._versions: dict[_H, int] = {}

    def note(self, key: _H, version: int) -> None:
        """Note a deletion."""
        version = max(version, self._versions.pop(key, 0))
        self._versions[key] = version
        if len(self._versions) > REMEMBERED:
            del self._versions[next(iter(self._versions))]

    def outdates(self, key: _H, version: int) -> bool:
        """Tell whether news of a version is of something that has gone since."""
        return version < self._versions.get(key, 0)


class Store:
    """Facts by key, the reverse index, namespaces' labels. A ``View`` for verdicts."""

    def __init__(self, shared_namespaces: Iterable[str] = ()) -> None:
        self.shared_namespaces = frozenset(shared_namespaces)
        self._objects: dict[ObjectKey, Facts] = {}
        self._referrers: defaultdict[ObjectKey, set[ObjectKey]] = defaultdict(set)
        self._crossing: defaultdict[str, set[ObjectKey]] = defaultdict(set)
        self._by_namespace: defaultdict[str, set[ObjectKey]] = defaultdict(set)
        self.admins: frozenset[ObjectKey] = frozenset()
        """Accounts of admins that are neither suspended nor being deleted; another set each time
        that it changes."""
        self._terminating: set[str] = set()
        self._stirred: set[ObjectKey] = set()
        self.census: Counter[tuple[str, str]] = Counter()
        """How many objects there are by kind and by the reason of their Ready."""
        self._labels: dict[str, Mapping[str, str]] = {}
        self._namespace_versions: dict[str, int] = {}
        self._gone: Gone[ObjectKey] = Gone()

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: ObjectKey) -> Facts | None:
        """Return an object's facts."""
        return self._objects.get(key)

    def keys(self, plural: str | None = None) -> Iterator[ObjectKey]:
        """Yield the keys of all objects, or of those of one kind."""
        return (key for key in tuple(self._objects) if plural is None or key.plural == plural)

    def referrers(self, key: ObjectKey) -> frozenset[ObjectKey]:
        """Return what refers to ``key``, whether that exists or not."""
        return frozenset(self._referrers.get(key, ()))

    def put(self, facts: Facts) -> bool:
        """Take an object in; return False where it was known already or the news is old.

        A watch may deliver what was current before our own write was answered.
        """
        known = self._objects.get(facts.key)
        if known is not None and known.version >= facts.version:
            return False
        if self._gone.outdates(facts.key, facts.version):
            return False
        if known is None or _outward(known) != _outward(facts):
            self._stirred.add(facts.key)
        self._unindex(known)
        self._objects[facts.key] = facts
        self.census[_entry(facts)] += 1
        self._count_admin(facts.key, counts=_is_active_admin(facts))
        self._by_namespace[facts.key.namespace].add(facts.key)
        for reference in facts.references:
            self._referrers[reference.target].add(facts.key)
            if reference.target.namespace not in ("", facts.key.namespace):
                self._crossing[facts.key.namespace].add(facts.key)
        return True

    def remove(self, key: ObjectKey, uid: str | None = None, *, version: int = 0) -> bool:
        """Forget an object; with ``uid``, only if it is still the one that is known.

        With ``version``, older news of it isn't taken in any more.
        """
        known = self._objects.get(key)
        if version:
            self._gone.note(key, version)
        if known is None or (uid is not None and known.uid != uid):
            return False
        self._unindex(known)
        self._count_admin(key, counts=False)
        _discard(self._by_namespace, key.namespace, key)
        del self._objects[key]
        self._stirred.add(key)
        return True

    def pass_on(self, key: ObjectKey) -> frozenset[ObjectKey]:
        """Return what must be judged again because of changes of ``key``, and pass on in turn.

        Whoever was judged between a change and its turn in the queue has seen it already,
        and may have said so. Looking only at what ``key`` is by now would miss the change
        and its undoing, and leave that word standing; so every change goes through the
        whole chain of referrers.
        """
        if key not in self._stirred:
            return frozenset()
        self._stirred.discard(key)
        concerned = self.referrers(key)
        self._stirred |= concerned
        return concerned

    def calm(self) -> None:
        """Forget what is to be passed on: everything is going to be judged."""
        self._stirred.clear()

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        """Return a namespace's labels; none for one that isn't known."""
        return self._labels.get(name, {})

    def has_namespace(self, name: str) -> bool:
        """Tell whether a namespace exists."""
        return name in self._labels

    def namespaces(self) -> tuple[str, ...]:
        """Return the names of all namespaces."""
        return tuple(self._labels)

    def is_terminating(self, namespace: str) -> bool:
        """Tell whether a namespace is being deleted."""
        return namespace in self._terminating

    def put_namespace(
        self,
        name: str,
        labels: Mapping[str, str] | None,
        *,
        terminating: bool = False,
        version: int = 0,
    ) -> frozenset[ObjectKey]:
        """Take in a namespace, its labels None when it is gone; return the objects this concerns.

        News that is older than what is known is not taken in; 0 is a version that isn't known.

        Those are the Accounts that need it, the objects in it that refer to other
        namespaces (what they may use depends on their own namespace's labels), and
        all objects in it when it begins to go.
        """
        key = namespace_key(name)
        if version and version < self._namespace_versions.get(name, 0):
            return frozenset()
        known, went = self._labels.get(name), name in self._terminating
        if labels is None:
            if version:
                self._gone.note(key, version)
            self._labels.pop(name, None)
            self._namespace_versions.pop(name, None)
        elif version and self._gone.outdates(key, version):
            return frozenset()
        else:
            self._labels[name] = dict(labels)
            self._namespace_versions[name] = version
        if terminating:
            self._terminating.add(name)
        else:
            self._terminating.discard(name)
        concerned = self._by_namespace.get(name, set()) if terminating and not went else set()
        if known != labels:
            concerned = concerned | self.referrers(namespace_key(name))
            concerned |= self._crossing.get(name, set())
        self._stirred |= concerned
        return frozenset(concerned)

    def _count_admin(self, key: ObjectKey, *, counts: bool) -> None:
        if (key in self.admins) is not counts:
            self.admins = self.admins ^ {key}

    def _unindex(self, facts: Facts | None) -> None:
        if facts is None:
            return
        self.census[_entry(facts)] -= 1
        for reference in facts.references:
            _discard(self._referrers, reference.target, facts.key)
        _discard(self._crossing, facts.key.namespace, facts.key)


def _entry(facts: Facts) -> tuple[str, str]:
    ready = find(facts.conditions, ConditionType.READY)
    return BY_PLURAL[facts.key.plural].kind, ready.reason if ready else ""


def _is_active_admin(facts: Facts) -> bool:
    account = facts.account
    return (
        account is not None
        and account.role == "admin"
        and not account.suspended
        and not facts.deleting
    )


def _outward(facts: Facts) -> tuple[object, ...]:
    """Return what the verdicts on an object's referrers, theirs included, may depend on."""
    return facts.references, facts.access_from, facts.provider, facts.supported_providers


def _discard(index: defaultdict[_K, set[ObjectKey]], key: _K, value: ObjectKey) -> None:
    """Take a value out of an index, and the key with its last value: nothing grows for ever."""
    values = index.get(key)
    if values is not None:
        values.discard(value)
        if not values:
            del index[key]
