"""A cache of the Roles and RoleBindings of API keys."""

from collections.abc import Iterator, Mapping
from typing import Any

from wegent_crds.references import ObjectKey
from wegent_kube.resources import Resource
from wegent_operator.keys.manifests import Manifest, binding_key, managed_subset
from wegent_operator.state.cache import Gone
from wegent_operator.state.objects import key_role_key


class KeyGrants:
    """The existing Roles and RoleBindings, by key."""

    def __init__(self) -> None:
        self._known: dict[ObjectKey, tuple[int, Manifest]] = {}
        self._gone: Gone[ObjectKey] = Gone()

    def put(self, resource: Resource, body: Mapping[str, Any]) -> bool:
        """Store an object; return whether its managed fields have changed."""
        key, version = key_of(resource, body), int(body["metadata"]["resourceVersion"])
        known = self._known.get(key)
        if self._gone.outdates(key, version) or (known is not None and version < known[0]):
            return False  # a watch may deliver what was there before our own write
        self._known[key] = version, managed_subset(body)
        return known is None or known[1] != self._known[key][1]

    def remove(self, key: ObjectKey, version: int = 0) -> bool:
        """Forget an object that was deleted at this version; return whether it was known."""
        if version:
            self._gone.note(key, version)
        known = self._known.get(key)
        if known is None or (version and version < known[0]):
            return False
        del self._known[key]
        return True

    def keys(self, plural: str) -> Iterator[ObjectKey]:
        """Yield the keys of all Roles, or of all RoleBindings."""
        return (key for key in tuple(self._known) if key.plural == plural)

    def of_namespace(self, namespace: str) -> dict[ObjectKey, Manifest]:
        """Return the existing objects of a namespace, reduced to the managed fields."""
        keys = key_role_key(namespace), binding_key(namespace)
        return {key: self._known[key][1] for key in keys if key in self._known}

    def namespaces(self) -> set[str]:
        """Return the namespaces that have at least one object."""
        return {key.namespace for key in self._known}


def key_of(resource: Resource, body: Mapping[str, Any]) -> ObjectKey:
    """Return the key of a Role or RoleBinding."""
    metadata = body["metadata"]
    return ObjectKey(resource.plural, metadata["namespace"], metadata["name"])
