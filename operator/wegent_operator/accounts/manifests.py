"""The manifests of the objects that Accounts need. Pure."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from wegent_crds.members import (
    ACCOUNT_LABEL,
    GROUP_LABEL,
    MANAGED_BY,
    RBAC_GROUP,
    SHARED_BINDING,
    account_binding_name,
    own_namespace,
    role_name,
)
from wegent_crds.registry import ACCOUNT, API_VERSION
from wegent_kube.resources import (
    CLUSTER_ROLE_BINDINGS,
    NAMESPACES,
    ROLE_BINDINGS,
    SERVICE_ACCOUNTS,
    Resource,
)
from wegent_operator.accounts.provisioned import ACCOUNT_UID_LABEL, ProvisionKey
from wegent_operator.state.objects import AccountState

MANAGER: Final = "wegent-operator"
Manifest = dict[str, Any]


def labels_of(state: AccountState) -> dict[str, str]:
    """Return the labels of all objects of an Account."""
    return {
        MANAGED_BY: MANAGER,
        ACCOUNT_LABEL: state.key.name,
        ACCOUNT_UID_LABEL: state.uid,
    }


def namespace_manifest(state: AccountState) -> Manifest:
    """Return the Account's own namespace."""
    return {
        "apiVersion": NAMESPACES.api_version,
        "kind": "Namespace",
        "metadata": {"name": own_namespace(state.key.name), "labels": labels_of(state)},
    }


def service_account(state: AccountState, accounts_namespace: str) -> tuple[ProvisionKey, Manifest]:
    """Return the ServiceAccount as which the user acts."""
    key = ProvisionKey(SERVICE_ACCOUNTS.plural, accounts_namespace, state.key.name)
    return key, {
        "apiVersion": SERVICE_ACCOUNTS.api_version,
        "kind": "ServiceAccount",
        "metadata": {
            "name": state.key.name,
            "namespace": accounts_namespace,
            "labels": labels_of(state),
            # Garbage collection deletes it, and so ends all tokens, when the Account is gone.
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": ACCOUNT.kind,
                    "name": state.key.name,
                    "uid": state.uid,
                }
            ],
        },
        "automountServiceAccountToken": False,
    }


def role_bindings(
    state: AccountState, roles: Mapping[str, str], groups: Collection[str] = ()
) -> Iterator[tuple[ProvisionKey, Manifest]]:
    """Yield the bindings of an Account with these ``roles``, by namespace.

    A label says which of the namespaces are of ``groups`` that the Account is a member of. An
    item of ``spec.namespaces`` may give a role in the same namespace by the same binding.
    """
    user, labels = state.key.name, labels_of(state)
    subject = {
        "kind": "ServiceAccount",
        "name": state.key.name,
        "namespace": state.key.namespace,
    }
    # A binding's role can't be changed, so its name contains the role. A new role needs a new
    # binding, and the old binding is deleted because it is no longer wanted.
    for namespace, role in roles.items():
        own = labels | ({GROUP_LABEL: namespace} if namespace in groups else {})
        yield _binding(
            ROLE_BINDINGS, namespace, account_binding_name(user, role), role, subject, own
        )
    if state.spec.role == "admin":
        yield _binding(
            CLUSTER_ROLE_BINDINGS, "", account_binding_name(user, "admin"), "admin", subject, labels
        )


def shared_binding(
    namespace: str, accounts_namespace: str, role: str
) -> tuple[ProvisionKey, Manifest]:
    """Return the RoleBinding that gives all accounts their role in a shared namespace."""
    name = SHARED_BINDING
    subject = {
        "apiGroup": RBAC_GROUP,
        "kind": "Group",
        "name": f"system:serviceaccounts:{accounts_namespace}",
    }
    return _binding(ROLE_BINDINGS, namespace, name, role, subject, {MANAGED_BY: MANAGER})


def _binding(
    resource: Resource,
    namespace: str,
    name: str,
    role: str,
    subject: Mapping[str, str],
    labels: Mapping[str, str],
) -> tuple[ProvisionKey, Manifest]:
    metadata: dict[str, Any] = {"name": name, "labels": dict(labels)}
    if namespace:
        metadata["namespace"] = namespace
    return ProvisionKey(resource.plural, namespace, name), {
        "apiVersion": resource.api_version,
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {
            "apiGroup": RBAC_GROUP,
            "kind": "ClusterRole",
            "name": role_name(role),
        },
        "subjects": [dict(subject)],
    }
