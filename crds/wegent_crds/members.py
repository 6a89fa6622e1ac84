"""Membership of a namespace: a RoleBinding of a fixed form that names one Account.

The admins of a namespace write these RoleBindings with their own rights, over REST or with
kubectl. The admission policy ``wegent-members`` (``config/policies/members.yaml``) enforces
the form. The operator deletes the RoleBindings of deleted Accounts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
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
RESERVED_NAMESPACES: Final = ("default", "wegent")
"""Names that the namespace of a group can't have, besides those with a reserved prefix."""
CLUSTER_NAMESPACES: Final = (
    "*-system",
    "argocd",
    "cattle-*",
    "cert-manager",
    "default",
    "external-secrets",
    "gke-*",
    "ingress-*",
    "istio-*",
    "keda",
    "knative-*",
    "kube-*",
    "linkerd*",
    "logging",
    "monitoring",
    "openshift",
    "openshift-*",
    "tekton-*",
    "traefik",
    "velero",
)
"""Names of namespaces that a cluster may need later, for its own programs; ``*`` stands for any
text. By default, no Group gets a new namespace of these names. A setting replaces the list."""
NAME_PATTERN: Final = r"^[a-z0-9*]([-a-z0-9*]{0,61}[a-z0-9*])?$"
"""Form of such a pattern."""
GROUP_LABEL: Final = f"{GROUP}/group"
"""Label of a group's namespace: the name of its Group."""
GROUP_UID_LABEL: Final = f"{GROUP}/group-uid"
"""Label of a group's namespace: the UID of its Group. It proves that the two belong together.
"""


def may_be_a_groups(namespace: str) -> bool:
    """Return whether the namespace of a group may have this name."""
    return namespace not in RESERVED_NAMESPACES and not namespace.startswith(
        (SYSTEM_PREFIX, OWN_NAMESPACE_PREFIX)
    )


def reserving_pattern(namespace: str, patterns: Iterable[str]) -> str | None:
    """Return the first pattern, in the order of the alphabet, that a name has; None if none."""
    return next((it for it in sorted(patterns) if fnmatchcase(namespace, it)), None)


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


@dataclass(frozen=True, slots=True)
class Membership:
    """One role of one user, or of all users, in a namespace."""

    username: str | None
    """Name of the user. None for all users."""
    role: str
    by_account: bool
    """True if the Account gives the role, and only a change to the Account can remove it."""
    name: str
    uid: str
    """Uid of the RoleBinding."""


def memberships_in(
    bindings: Iterable[Mapping[str, Any]], accounts_namespace: str
) -> list[Membership]:
    """Return the memberships that RoleBindings are; those of another form are left out."""
    found = (_membership(it, accounts_namespace) for it in bindings)
    return [membership for membership in found if membership is not None]


def _membership(body: Mapping[str, Any], accounts_namespace: str) -> Membership | None:
    metadata = body["metadata"]
    name, role = metadata["name"], _ROLE_OF.get(body["roleRef"]["name"])
    subjects = body.get("subjects") or []
    if role is None or len(subjects) != 1:
        return None
    [subject] = subjects
    if subject["kind"] == "ServiceAccount" and subject.get("namespace") == accounts_namespace:
        username = subject["name"]
        by_account = name == account_binding_name(username, role)
        if not by_account and name != binding_name(username, role):
            return None
        return Membership(username, role, by_account, name, metadata["uid"])
    group = f"system:serviceaccounts:{accounts_namespace}"
    if (subject["kind"], subject["name"], name) == ("Group", group, SHARED_BINDING):
        return Membership(None, role, by_account=True, name=name, uid=metadata["uid"])
    return None


_ROLE_OF: Final = {role_name(role): role for role in ROLES}
