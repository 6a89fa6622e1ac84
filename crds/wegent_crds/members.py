"""Membership of a namespace: a RoleBinding of a known form, which says whom it is for.

A namespace's admins write them with their own rights, over REST or with kubectl. The
policy ``wegent-members`` (``hack/codegen/account_policies.py``) keeps what they write to this
form, and the operator removes those whose Account is gone.
"""

from typing import Any, Final

from wegent_crds.registry import GROUP

ROLES: Final = ("viewer", "editor", "admin")
"""What a user may be in a namespace; each is a ClusterRole."""
RBAC_GROUP: Final = "rbac.authorization.k8s.io"
PREFIX: Final = "wegent-member-"
"""How the name of each such RoleBinding begins."""
ACCOUNT_PREFIX: Final = "wegent-account-"
"""How the names of the operator's own bindings begin, which follow from Accounts."""
SHARED_BINDING: Final = "wegent-accounts"
"""Name of the RoleBinding of all accounts in a shared namespace."""
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGER: Final = "wegent-members"
"""Value of ``MANAGED_BY``: the admins of a namespace, in other words."""
ACCOUNT_LABEL: Final = f"{GROUP}/account"
"""Label: the name of the Account whose user has the right."""
SYSTEM_NAMESPACES: Final = ("wegent-accounts", "wegent-system")
"""Namespaces in which nobody is given a role: an admin of the first is an admin of everything."""
SYSTEM_PREFIX: Final = "kube-"
"""How the names of Kubernetes' own namespaces begin."""


def is_system_namespace(name: str) -> bool:
    """Return whether ``name`` is a namespace that has no members."""
    return name in SYSTEM_NAMESPACES or name.startswith(SYSTEM_PREFIX)


def role_name(role: str) -> str:
    """Return the name of a role's ClusterRole."""
    return f"wegent-{role}"


def binding_name(username: str, role: str) -> str:
    """Return the name of the RoleBinding: a binding's role can't be changed, so it carries it."""
    return f"{PREFIX}{username}-{role}"


def account_binding_name(username: str, role: str) -> str:
    """Return the name of the binding by which an Account gives a role."""
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
