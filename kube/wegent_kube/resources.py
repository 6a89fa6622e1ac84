"""The resources of the API server and their URL paths."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from wegent_crds.registry import GROUP, VERSION, Kind


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource by group, version and plural, because a bare plural matches other groups too."""

    group: str
    """Empty for the core group."""
    version: str
    plural: str

    @property
    def api_version(self) -> str:
        """The ``apiVersion`` of the resource's objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(
        self, namespace: str | None = None, name: str | None = None, subresource: str | None = None
    ) -> str:
        """Return the path of a collection or an object, in a namespace or in the whole cluster."""
        steps = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if namespace is not None:
            steps += ["namespaces", quote(namespace, safe="")]
        steps.append(self.plural)
        if name is not None:
            steps.append(quote(name, safe=""))
        if subresource is not None:
            steps.append(subresource)
        return "/" + "/".join(steps)


def resource_of(kind: Kind) -> Resource:
    """Return the resource of a kind of Wegent."""
    return Resource(GROUP, VERSION, kind.plural)


NAMESPACES: Final = Resource("", "v1", "namespaces")
SERVICE_ACCOUNTS: Final = Resource("", "v1", "serviceaccounts")
RESOURCE_QUOTAS: Final = Resource("", "v1", "resourcequotas")
SECRETS: Final = Resource("", "v1", "secrets")
RBAC_ROLES: Final = Resource("rbac.authorization.k8s.io", "v1", "roles")
ROLE_BINDINGS: Final = Resource("rbac.authorization.k8s.io", "v1", "rolebindings")
CLUSTER_ROLE_BINDINGS: Final = Resource("rbac.authorization.k8s.io", "v1", "clusterrolebindings")
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases")
EVENTS: Final = Resource("", "v1", "events")
CRDS: Final = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
TOKEN_REVIEWS: Final = Resource("authentication.k8s.io", "v1", "tokenreviews")
