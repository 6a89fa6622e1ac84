"""The Secrets with keys that objects of each namespace name, and which of them runners may read.

One Role for each namespace has their names. It could grow beyond the size of an object in etcd, and
would then be refused as a whole. So it has at most ``MAX_NAMES`` names: those of Models first, then
those of MCP servers, each in the order of their names. That order doesn't depend on the order in
which objects were seen, so that a restart changes nothing.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from wegent_crds.references import ObjectKey
from wegent_crds.registry import MODEL

MAX_NAMES: Final = 1000
"""Names in the Role of a namespace. Names of full length take a quarter of an object of etcd."""

Rank = tuple[bool, str]


@dataclass(slots=True)
class _Users:
    """The objects that name one Secret."""

    models: set[ObjectKey] = field(default_factory=set)
    others: set[ObjectKey] = field(default_factory=set)

    def of(self, key: ObjectKey) -> set[ObjectKey]:
        """Return the users of the same sort as an object."""
        return self.models if key.plural == MODEL.plural else self.others


class KeySecrets:
    """An index of the Secrets by name, with the objects that name them."""

    def __init__(self, limit: int = MAX_NAMES) -> None:
        self._limit = limit
        self._users: defaultdict[str, dict[str, _Users]] = defaultdict(dict)
        self._ranks: defaultdict[str, list[Rank]] = defaultdict(list)

    def replace(
        self, key: ObjectKey, before: frozenset[str], after: frozenset[str]
    ) -> frozenset[ObjectKey]:
        """Store the Secrets that an object names now; return other objects with a changed right.

        Args:
            key: The object.
            before: The Secrets that it named.
            after: The Secrets that it names now.
        """
        if before == after:
            return frozenset()
        changed: set[ObjectKey] = set()
        for name in before - after:
            changed |= self._change(key, name, joins=False)
        for name in after - before:
            changed |= self._change(key, name, joins=True)
        if not self._users[key.namespace]:
            del self._users[key.namespace], self._ranks[key.namespace]
        return frozenset(changed - {key})

    def readable(self, namespace: str) -> frozenset[str]:
        """Return the names of the Secrets that runners may read."""
        return frozenset(name for _, name in self._ranks.get(namespace, ())[: self._limit])

    def is_readable(self, namespace: str, name: str) -> bool:
        """Return whether runners may read a Secret that an object of the namespace names."""
        ranks = self._ranks.get(namespace, ())
        if len(ranks) <= self._limit:
            return True
        if name not in self._users[namespace]:
            return False
        return bisect_left(ranks, self._rank(namespace, name)) < self._limit

    def namespaces(self) -> frozenset[str]:
        """Return the namespaces in which an object names a Secret."""
        return frozenset(self._users)

    def _change(self, key: ObjectKey, name: str, *, joins: bool) -> set[ObjectKey]:
        """Add or remove one object's use of a Secret; return the objects with a changed right."""
        users, ranks = self._users[key.namespace], self._ranks[key.namespace]
        last = ranks[self._limit - 1 : self._limit]
        if name in users:
            del ranks[bisect_left(ranks, self._rank(key.namespace, name))]
        if joins:
            users.setdefault(name, _Users()).of(key).add(key)
        else:
            users[name].of(key).discard(key)
            if not (users[name].models or users[name].others):
                del users[name]
        if name in users:
            insort(ranks, self._rank(key.namespace, name))
        if last == ranks[self._limit - 1 : self._limit]:
            return set()
        # The Secrets beside the bound are the only ones that can have crossed it.
        beside = {name, *(it for _, it in (*last, *ranks[self._limit - 1 : self._limit + 1]))}
        return {
            user for it in beside if it in users for user in users[it].models | users[it].others
        }

    def _rank(self, namespace: str, name: str) -> Rank:
        return not self._users[namespace][name].models, name
