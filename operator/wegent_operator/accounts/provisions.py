"""A cache of the objects that the operator created for Accounts or manages."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from wegent_kube.resources import Resource
from wegent_operator.accounts.provisioned import ProvisionKey, account_of, group_of, managed_subset
from wegent_operator.state.cache import Gone


class Provisions:
    """The objects that the operator created or manages, by key and by Account."""

    def __init__(self, accounts_namespace: str) -> None:
        self._accounts_namespace = accounts_namespace
        self._known: dict[ProvisionKey, tuple[str, dict[str, Any]]] = {}
        self._versions: dict[ProvisionKey, int] = {}
        self._by_account: defaultdict[str, set[ProvisionKey]] = defaultdict(set)
        self._gone: Gone[ProvisionKey] = Gone()

    def put(self, resource: Resource, body: Mapping[str, Any]) -> str | None:
        """Store a watched object; return its Account's name if the object has changed.

        Objects that are not Wegent's use no memory.
        """
        key = provision_key(resource, body)
        account = account_of(key, body, self._accounts_namespace)
        version = int(body["metadata"]["resourceVersion"])
        if account is None:
            return self.remove(key, version)
        if version < self._versions.get(key, 0):
            return None  # a watch may deliver what was there before our own write
        if self._gone.outdates(key, version):
            return None
        now = (account, managed_subset(body))
        if self._known.get(key) == now:
            self._versions[key] = version
            return None
        self.remove(key)
        self._known[key], self._versions[key] = now, version
        self._by_account[account].add(key)
        return account

    def remove(self, key: ProvisionKey, version: int | None = None) -> str | None:
        """Forget an object, unless it is newer than ``version``; return the account concerned."""
        if key not in self._known or (version is not None and version < self._versions[key]):
            return None
        account, _ = self._known.pop(key)
        del self._versions[key]
        self._by_account[account].discard(key)
        if not self._by_account[account]:
            del self._by_account[account]
        return account

    def gone(self, key: ProvisionKey, version: int = 0) -> str | None:
        """Record that an object is no more as of ``version``; return the account concerned."""
        if version:
            self._gone.note(key, version)
        return self.remove(key, version or None)

    def get(self, key: ProvisionKey) -> dict[str, Any] | None:
        """Return an object, reduced to the managed fields; None if there is none."""
        known = self._known.get(key)
        return None if known is None else known[1]

    def accounts_in(self, namespace: str) -> set[str]:
        """Return the names of Accounts that have an object in a namespace."""
        found = {known[0] for key, known in self._known.items() if key.namespace == namespace}
        return {name for name in found if name and group_of(name) is None}

    def keys(self, plural: str) -> Iterator[ProvisionKey]:
        """Yield the keys of all objects of a resource."""
        return (key for key in tuple(self._known) if key.plural == plural)

    def of_account(self, name: str) -> dict[ProvisionKey, dict[str, Any]]:
        """Return the existing objects of an Account's name."""
        return {key: self._known[key][1] for key in self._by_account.get(name, ())}

    def shared_namespaces(self) -> set[str]:
        """Return the namespaces in which there is a RoleBinding of all accounts."""
        return {key.namespace for key in self._by_account.get("", ())}

    def accounts(self) -> tuple[str, ...]:
        """Return the names of Accounts that have at least one object."""
        return tuple(name for name in self._by_account if name and group_of(name) is None)


def provision_key(resource: Resource, body: Mapping[str, Any]) -> ProvisionKey:
    """Return the key of a ServiceAccount or binding."""
    metadata = body["metadata"]
    return ProvisionKey(resource.plural, metadata.get("namespace", ""), metadata["name"])
