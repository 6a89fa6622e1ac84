"""The Role of a namespace's API keys and its RoleBinding: as desired, and as they exist. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from wegent_crds.api_keys import ROLE
from wegent_crds.members import MANAGED_BY, RBAC_GROUP
from wegent_crds.references import ObjectKey
from wegent_kube.resources import RBAC_ROLES, ROLE_BINDINGS, Resource

MANAGER: Final = "wegent-operator"
RESOURCES: Final = (RBAC_ROLES, ROLE_BINDINGS)
FIELD_SELECTOR: Final = f"metadata.name={ROLE}"
"""Field selector of the Roles that the operator lists and watches."""
Manifest = dict[str, Any]


def binding_key(namespace: str) -> ObjectKey:
    """Return the key of a namespace's RoleBinding."""
    return ObjectKey(ROLE_BINDINGS.plural, namespace, ROLE)


def role(namespace: str, secrets: Iterable[str]) -> Manifest:
    """Return the Role that allows to read these Secrets by name."""
    return _manifest(RBAC_ROLES, "Role", namespace) | {
        "rules": [
            {
                "apiGroups": [""],
                "resources": ["secrets"],
                "resourceNames": sorted(secrets),
                "verbs": ["get"],
            }
        ]
    }


def binding(namespace: str, runner: str) -> Manifest:
    """Return the RoleBinding of the Role to ``runner``, a ServiceAccount as ``namespace/name``."""
    home, _, name = runner.partition("/")
    return _manifest(ROLE_BINDINGS, "RoleBinding", namespace) | {
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": "Role", "name": ROLE},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": home}],
    }


def is_of_keys(resource: Resource, body: Mapping[str, Any]) -> bool:
    """Return whether an object is a Role or RoleBinding of API keys, by its name."""
    return resource in RESOURCES and body["metadata"]["name"] == ROLE


def managed_subset(body: Mapping[str, Any]) -> Manifest:
    """Reduce a Role or RoleBinding to the fields that the operator manages."""
    return {field: body[field] for field in ("rules", "roleRef", "subjects") if body.get(field)}


def _manifest(resource: Resource, kind: str, namespace: str) -> Manifest:
    return {
        "apiVersion": resource.api_version,
        "kind": kind,
        "metadata": {"name": ROLE, "namespace": namespace, "labels": {MANAGED_BY: MANAGER}},
    }
