"""Membership of a namespace: a RoleBinding of a fixed form that names one Account.

The admins of a namespace write these RoleBindings with their own rights, over REST or with
kubectl. The admission policy ``wegent-members`` (``config/policies/members.yaml``) enforces
the form. The operator deletes the RoleBindings of deleted Accounts.
"""

from typing import Any, Final

from wegent_crds.registry import GROUP

ROLES: Final = ("viewer", "editor", "admin")
"""Roles of a user in a namespace. Each is a ClusterRole."""
RBAC_GROUP: Final = "rbac.authorization.k8s.io"
PREFIX: Final = "wegent-member-"
"""Prefix of the names of these RoleBindings."""
ACCOUNT_PREFIX: Final = "wegent-account-"
"""Prefix of the names of the RoleBindings that the operator creates for Accounts."""
OWN_NAMESPACE_PREFIX: Final = "wegent-"
"""Prefix of the name of a user's own namespace."""
SHARED_BINDING: Final = "wegent-accounts"
"""Name of the RoleBinding that gives all Accounts access to a shared namespace."""
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGER: Final = "wegent-members"
"""Value of ``MANAGED_BY`` on the RoleBindings that admins of a namespace write."""
ACCOUNT_LABEL: Final = f"{GROUP}/account"
"""Label: the name of the Account that has the role."""
SYSTEM_NAMESPACES: Final = ("wegent-accounts", "wegent-system")
"""Namespaces without members. An admin of the first would be an admin of all of Wegent."""
SYSTEM_PREFIX: Final = "kube-"
"""Prefix of the names of Kubernetes' own namespaces."""


def is_system_namespace(name: str) -> bool:
    """Return True if the namespace can't have members."""
    return name in SYSTEM_NAMESPACES or name.startswith(SYSTEM_PREFIX)


def own_namespace(username: str) -> str:
    """Return the name of a user's own namespace."""
    return f"{OWN_NAMESPACE_PREFIX}{username}"


def account_at_home_in(namespace: str) -> str | None:
    """Return the name of the user whose own namespace this would be, or None if there is none."""
    account = namespace.removeprefix(OWN_NAMESPACE_PREFIX)
    return account if account and account != namespace else None


def role_name(role: str) -> str:
    """Return the name of the role's ClusterRole."""
    return f"wegent-{role}"


def binding_name(username: str, role: str) -> str:
    """Return the RoleBinding's name, which has the role in it: ``roleRef`` is immutable."""
    return f"{PREFIX}{username}-{role}"


def account_binding_name(username: str, role: str) -> str:
    """Return the name of the RoleBinding that the operator creates for a role of an Account."""
    return f"{ACCOUNT_PREFIX}{username}-{role}"


def binding(namespace: str, accounts_namespace: str, username: str, role: str) -> dict[str, Any]:
    """Return the RoleBinding that gives a user a role in a namespace."""
    return {
        "apiVersion": f"{RBAC_GROUP}/v1",
        "kind": "RoleBinding",
        "metadata": {
            "name": binding_name(username, role),
            "namespace": namespace,
            "labels": {MANAGED_BY: MANAGER, ACCOUNT_LABEL: username},
        },
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": role_name(role)},
        "subjects": [{"kind": "ServiceAccount", "namespace": accounts_namespace, "name": username}],
    }
