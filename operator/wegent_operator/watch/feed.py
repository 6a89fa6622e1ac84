"""Stores objects from watches and lists in the cache, and enqueues their keys."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from wegent_crds.references import ObjectKey
from wegent_crds.registry import ACCOUNT, GROUP_KIND, Kind
from wegent_kube.resources import Resource
from wegent_operator.accounts.provisioned import ProvisionKey, group_of
from wegent_operator.accounts.provisions import Provisions, provision_key
from wegent_operator.keys.grants import KeyGrants
from wegent_operator.keys.manifests import is_of_keys
from wegent_operator.runtime.dispatcher import Dispatcher
from wegent_operator.state.cache import Cache
from wegent_operator.state.limits import limits_of
from wegent_operator.state.objects import (
    TombstoneState,
    key_role_key,
    namespace_key,
    state_of,
    version_of,
)
from wegent_operator.tasks.steps import TaskSteps

logger = logging.getLogger(__name__)


class Feed:
    """Fills the cache and, while this operator leads, enqueues changed objects."""

    def __init__(
        self,
        cache: Cache,
        provisions: Provisions,
        dispatcher: Dispatcher,
        tasks: TaskSteps,
        accounts_namespace: str,
        key_grants: KeyGrants,
    ) -> None:
        self.cache = cache
        self.provisions = provisions
        self.key_grants = key_grants
        self._dispatcher = dispatcher
        self._tasks = tasks
        self.accounts_namespace = accounts_namespace
        self._leading = False

    def start(self) -> None:
        """Enqueue all objects now, and each changed object from now on."""
        self._leading = True
        self.cache.clear_dirty()
        self._dispatcher.enqueue(self.cache.keys())
        self._dispatcher.enqueue(map(self._account_key, self.provisions.accounts()))
        self._dispatcher.enqueue(map(namespace_key, self._shared()))
        of_keys = self.cache.namespaces_with_keys() | self.key_grants.namespaces()
        self._dispatcher.enqueue(map(key_role_key, of_keys))

    def stop(self) -> None:
        """Stop enqueueing, because another operator leads. The cache is still filled."""
        self._leading = False
        self._dispatcher.drop_all()
        self._tasks.forget_all()

    def upsert(self, kind: Kind, body: Mapping[str, Any]) -> bool:
        """Store an object; return False if the cache has this version or a newer one."""
        try:
            if self._knows(kind, body["metadata"]):
                return False
            state = state_of(kind, body)
        except (AttributeError, KeyError, TypeError, ValueError):
            # One broken object must not keep the others from being listed and reconciled.
            logger.exception("%s ignored: it is malformed", _named(kind, body))
            return False
        before, admins = self.cache.get(state.key), self.cache.admins
        is_new = self.cache.put(state)
        if is_new and self._leading:
            self._tasks.count_phase_change(before, state)
        if is_new:
            self._enqueue(state.key)
            if self.cache.admins is not admins:
                # The status of each admin says whether there are other admins.
                self._enqueue(*self.cache.admins)
        return is_new

    def _knows(self, kind: Kind, metadata: Mapping[str, Any]) -> bool:
        """Return whether the cache has this version, as it has after a write of the operator."""
        known = self.cache.get(ObjectKey(kind.plural, metadata["namespace"], metadata["name"]))
        return known is not None and known.version >= int(metadata["resourceVersion"])

    def remove(self, key: ObjectKey, uid: str | None = None, *, version: int = 0) -> None:
        """Remove an object that was deleted at this version."""
        known = self.cache.get(key)
        if self.cache.remove(key, uid, version=version):
            self._enqueue(key)
            if isinstance(known, TombstoneState):
                # The restored object is complete now.
                self._enqueue(*(reference.target for reference in known.references))

    def upsert_namespace(self, body: Mapping[str, Any]) -> None:
        """Store a namespace, given at least its metadata."""
        metadata = body["metadata"]
        dependents = self.cache.put_namespace(
            metadata["name"],
            metadata.get("labels") or {},
            limits=limits_of(metadata),
            terminating="deletionTimestamp" in metadata,
            version=version_of(body),
        )
        self._enqueue_namespace(metadata["name"], dependents)

    def remove_namespace(self, name: str, version: int = 0) -> None:
        """Remove a namespace that was deleted at this version."""
        self._enqueue_namespace(name, self.cache.put_namespace(name, None, version=version))

    def upsert_provisioned(self, resource: Resource, body: Mapping[str, Any]) -> ProvisionKey:
        """Store a ServiceAccount, binding, Role or quota, Wegent's or not; return its key."""
        key = provision_key(resource, body)
        if is_of_keys(resource, body):
            if self.key_grants.put(resource, body):
                self._enqueue(key_role_key(key.namespace))
        else:
            self._enqueue_account(self.provisions.put(resource, body))
        return key

    def remove_provisioned(self, key: ProvisionKey, version: int = 0) -> None:
        """Remove a ServiceAccount, binding, Role or quota that was deleted at this version."""
        if self.key_grants.remove(ObjectKey(key.plural, key.namespace, key.name), version):
            self._enqueue(key_role_key(key.namespace))
        self._enqueue_account(self.provisions.gone(key, version))

    def remove_kind(self, plural: str) -> None:
        """Remove all objects of a kind whose CRD is deleted."""
        for key in self.cache.keys(plural):
            self.remove(key)

    def _enqueue_namespace(self, name: str, keys: Iterable[ObjectKey]) -> None:
        self._enqueue(*keys)
        if name in self.cache.shared_namespaces:
            self._enqueue(namespace_key(name))

    def _enqueue_account(self, account: str | None) -> None:
        if account:
            self._enqueue(self._account_key(account))
        elif account is not None:
            self._enqueue(*map(namespace_key, self._shared()))

    def _shared(self) -> frozenset[str]:
        """Return current and former shared namespaces. The former still have their binding."""
        return frozenset(self.cache.shared_namespaces | self.provisions.shared_namespaces())

    def _account_key(self, account: str) -> ObjectKey:
        group = group_of(account)
        if group is not None:
            return ObjectKey(GROUP_KIND.plural, self.accounts_namespace, group)
        return ObjectKey(ACCOUNT.plural, self.accounts_namespace, account)

    def _enqueue(self, *keys: ObjectKey) -> None:
        if self._leading:
            self._dispatcher.enqueue(keys)
        else:
            self.cache.clear_dirty()


def _named(kind: Kind, body: Mapping[str, Any]) -> str:
    metadata = body.get("metadata") or {}
    return f"{kind.kind} {metadata.get('namespace')}/{metadata.get('name')}"
