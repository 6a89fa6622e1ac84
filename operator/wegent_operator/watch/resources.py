"""The resources that the operator lists and watches, and the objects of each that it asks for."""

from typing import Final

from wegent_crds.registry import KINDS
from wegent_kube.resources import NAMESPACES, RBAC_ROLES, Resource, resource_of
from wegent_operator.accounts import provisioned
from wegent_operator.accounts.provisioned import PROVISIONED
from wegent_operator.keys.manifests import FIELD_SELECTOR

WRITTEN: Final = (*PROVISIONED, RBAC_ROLES)
"""The resources whose objects the operator writes, other than Wegent's kinds and namespaces."""
RESOURCES: Final = (*(resource_of(kind) for kind in KINDS), NAMESPACES, *WRITTEN)
"""All resources that the operator lists and watches."""


def list_params(resource: Resource, accounts_namespace: str) -> dict[str, str]:
    """Return the parameters of the lists and watches of a resource."""
    if resource == RBAC_ROLES:
        return {"fieldSelector": FIELD_SELECTOR}
    return provisioned.list_params(resource, accounts_namespace)
