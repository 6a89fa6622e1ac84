"""What comes in, from Kopf's events and from lists alike: into the cache, and on to the queue.

Level-based: only what an object is now counts, never which event brought it.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from wegent_crds.references import ObjectKey
from wegent_crds.registry import ACCOUNT, Kind
from wegent_kube.resources import Resource
from wegent_operator.accounts.plan import ProvisionKey
from wegent_operator.accounts.provisions import Provisions, provision_key
from wegent_operator.runtime.dispatcher import Dispatcher
from wegent_operator.state.cache import Cache
from wegent_operator.state.objects import namespace_key, state_of, version_of
from wegent_operator.tasks.steps import TaskSteps

logger = logging.getLogger(__name__)


class Feed:
    """Takes news in and, while it is this operator that judges, lets what it concerns be judged."""

    def __init__(
        self,
        cache: Cache,
        provisions: Provisions,
        dispatcher: Dispatcher,
        tasks: TaskSteps,
        accounts_namespace: str,
    ) -> None:
        self.cache = cache
        self.provisions = provisions
        self._dispatcher = dispatcher
        self._tasks = tasks
        self.accounts_namespace = accounts_namespace
        self._judging = False

    def begin(self) -> None:
        """Let everything be judged, and from now on all that changes."""
        self._judging = True
        self.cache.clear_dirty()
        self._dispatcher.enqueue(self.cache.keys())
        self._dispatcher.enqueue(map(self._account_key, self.provisions.accounts()))
        self._dispatcher.enqueue(map(namespace_key, self._shared()))

    def cease(self) -> None:
        """Go on taking news in, and let nothing be judged: another operator does."""
        self._judging = False
        self._dispatcher.drop_all()
        self._tasks.forget_all()

    def seen(self, kind: Kind, body: Mapping[str, Any]) -> bool:
        """Take in an object; return whether it was news."""
        try:
            state = state_of(kind, body)
        except (AttributeError, KeyError, TypeError, ValueError):
            # One object that is none must not keep the others from being listed and judged.
            logger.exception("%s is left out: it can't be read", _named(kind, body))
            return False
        before, admins = self.cache.get(state.key), self.cache.admins
        news = self.cache.put(state)
        if news and self._judging:
            self._tasks.noticed(before, state)
        if news:
            self._concern(state.key)
            if self.cache.admins is not admins:
                # Each is told whether there are others.
                self._concern(*self.cache.admins)
        return news

    def gone(self, key: ObjectKey, uid: str | None = None, *, version: int = 0) -> None:
        """Take in that an object is no more, as of a version."""
        known = self.cache.get(key)
        if self.cache.remove(key, uid, version=version):
            self._concern(key)
            if known is not None and known.tombstone is not None:
                # What it has brought back is whole now.
                self._concern(*(reference.target for reference in known.references))

    def namespace(self, body: Mapping[str, Any]) -> None:
        """Take in a namespace; its metadata is enough."""
        metadata = body["metadata"]
        concerned = self.cache.put_namespace(
            metadata["name"],
            metadata.get("labels") or {},
            terminating="deletionTimestamp" in metadata,
            version=version_of(body),
        )
        self._namespace_concerns(metadata["name"], concerned)

    def namespace_gone(self, name: str, version: int = 0) -> None:
        """Take in that a namespace is no more, as of a version."""
        self._namespace_concerns(name, self.cache.put_namespace(name, None, version=version))

    def provisioned(self, resource: Resource, body: Mapping[str, Any]) -> ProvisionKey:
        """Take in a ServiceAccount or binding, Wegent's or not; return its key."""
        self._drift(self.provisions.put(resource, body))
        return provision_key(resource, body)

    def unprovisioned(self, key: ProvisionKey, version: int = 0) -> None:
        """Take in that a ServiceAccount or binding is no more as of ``version``."""
        self._drift(self.provisions.gone(key, version))

    def absent(self, plural: str) -> None:
        """Take in that there is no such kind any more, and so none of its objects."""
        for key in self.cache.keys(plural):
            self.gone(key)

    def _namespace_concerns(self, name: str, keys: Iterable[ObjectKey]) -> None:
        self._concern(*keys)
        if name in self.cache.shared_namespaces:
            self._concern(namespace_key(name))

    def _drift(self, account: str | None) -> None:
        if account:
            self._concern(self._account_key(account))
        elif account is not None:
            self._concern(*map(namespace_key, self._shared()))

    def _shared(self) -> frozenset[str]:
        """Return the shared namespaces, and those that were: they have their binding still."""
        return frozenset(self.cache.shared_namespaces | self.provisions.shared_namespaces())

    def _account_key(self, account: str) -> ObjectKey:
        return ObjectKey(ACCOUNT.plural, self.accounts_namespace, account)

    def _concern(self, *keys: ObjectKey) -> None:
        if self._judging:
            self._dispatcher.enqueue(keys)
        else:
            self.cache.clear_dirty()


def _named(kind: Kind, body: Mapping[str, Any]) -> str:
    metadata = body.get("metadata") or {}
    return f"{kind.kind} {metadata.get('namespace')}/{metadata.get('name')}"
