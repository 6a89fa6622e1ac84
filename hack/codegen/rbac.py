"""The roles that follow from the table of kinds: the three user roles and the operator's."""

from collections.abc import Iterator
from typing import Any, Final

from codegen.files import GeneratedFile, yaml_file
from wegent_crds.members import RBAC_GROUP, ROLES, role_name
from wegent_crds.registry import ACCOUNT, GROUP, KINDS, TASK, TOMBSTONE
from wegent_operator.accounts.quota import QUOTA_NAME

READ: Final = ["get", "list", "watch"]
WRITE: Final = ["create", "update", "patch", "delete", "deletecollection"]
AGGREGATED_TO: Final = {"viewer": "view", "editor": "edit", "admin": "admin"}
OPERATOR: Final = "wegent-operator"
FIRST_ADMIN: Final = "wegent-first-admin"
UNINSTALL: Final = "wegent-uninstall"
LABELS: Final = {"app.kubernetes.io/part-of": "wegent"}


def generate() -> Iterator[GeneratedFile]:
    """Yield the user roles, and the operator's identity and rights."""
    source = "hack/codegen/rbac.py and crds/wegent_crds/registry.py"
    yield yaml_file("config/rbac/users.yaml", source, *map(_user_role, ROLES))
    yield yaml_file("config/rbac/operator.yaml", source, *_operator())


def chart_jobs() -> dict[str, list[dict[str, Any]]]:
    """Return the rights of the chart's Jobs, by file; a Job has them only while it runs."""
    return {"first-admin": _first_admin(), "uninstall": _uninstall()}


def _first_admin() -> list[dict[str, Any]]:
    account = {"name": FIRST_ADMIN, "namespace": "wegent-system"}
    place = {"name": FIRST_ADMIN, "namespace": "wegent-accounts"}
    rules = [
        {
            "apiGroups": [GROUP],
            "resources": [ACCOUNT.plural],
            "verbs": ["get", "create", "grant-admin"],
        },
        # The password's Secret: its owner is set, and it is deleted if the Account is refused.
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "patch", "delete"]},
    ]
    return [_account(account), _role("Role", place, rules), _bind("Role", place, account)]


def _uninstall() -> list[dict[str, Any]]:
    account = {"name": UNINSTALL, "namespace": "wegent-system"}
    cluster_rules = [
        {
            "apiGroups": [GROUP],
            "resources": [kind.plural for kind in KINDS if kind.user_facing],
            "verbs": ["list", "patch"],
        },
        # The verb to remove the finalizer while the policy that guards it is in force.
        {"apiGroups": [GROUP], "resources": [TOMBSTONE.plural], "verbs": ["bypass"]},
        {
            "apiGroups": ["admissionregistration.k8s.io"],
            "resources": ["mutatingadmissionpolicybindings"],
            "resourceNames": ["wegent-trash"],
            "verbs": ["delete"],
        },
    ]
    rules = [
        {
            "apiGroups": ["apps"],
            "resources": ["deployments"],
            "resourceNames": [OPERATOR],
            "verbs": ["get", "delete"],
        }
    ]
    return [
        _account(account),
        _role("ClusterRole", {"name": UNINSTALL}, cluster_rules),
        _bind("ClusterRole", {"name": UNINSTALL}, account),
        _role("Role", account, rules),
        _bind("Role", account, account),
    ]


def _account(metadata: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {**metadata, "labels": {**LABELS}},
    }


def _user_role(role: str) -> dict[str, Any]:
    user_facing = [kind.plural for kind in KINDS if kind.user_facing]
    verbs = [*READ] if role == "viewer" else [*READ, *WRITE]
    # Only the operator creates Tombstones; others may change only `restore` in them.
    trash = (
        [*READ] if role == "viewer" else [*READ, "update", "patch", "delete", "deletecollection"]
    )
    if role == "admin":
        # purge: may delete Tombstones of objects that others created (the policy
        # wegent-tombstones asks for it).
        trash.append("purge")
    rules = [
        {"apiGroups": [GROUP], "resources": user_facing, "verbs": verbs},
        {"apiGroups": [GROUP], "resources": [TOMBSTONE.plural], "verbs": trash},
    ]
    if role == "admin":
        rules.append(
            {
                "apiGroups": [GROUP],
                "resources": [ACCOUNT.plural],
                # grant-admin: may make Accounts that are more than a plain user's
                # (config/policies/accounts.yaml asks for it).
                "verbs": [*READ, *WRITE, "grant-admin"],
            }
        )
        # A namespace's admins let others in. The policy wegent-members restricts the RoleBindings
        # that they may write; with `bind` on these three roles, none of them gives more rights.
        rules.append(
            {
                "apiGroups": [RBAC_GROUP],
                "resources": ["rolebindings"],
                "verbs": [*READ, "create", "delete"],
            }
        )
        rules.append(_bind_user_roles())
    return {
        "apiVersion": f"{RBAC_GROUP}/v1",
        "kind": "ClusterRole",
        "metadata": {
            "name": role_name(role),
            "labels": {
                **LABELS,
                f"rbac.authorization.k8s.io/aggregate-to-{AGGREGATED_TO[role]}": "true",
            },
        },
        "rules": rules,
    }


def _operator() -> list[dict[str, Any]]:
    plurals = [kind.plural for kind in KINDS]
    account = {"name": OPERATOR, "namespace": "wegent-system"}
    cluster_rules = [
        {"apiGroups": [GROUP], "resources": [*plurals], "verbs": [*READ]},
        {
            "apiGroups": [GROUP],
            "resources": [f"{plural}/status" for plural in plurals],
            "verbs": ["patch"],
        },
        # The trash: the finalizer is removed (patch), and objects are restored (create).
        {
            "apiGroups": [GROUP],
            "resources": [kind.plural for kind in KINDS if kind.user_facing],
            "verbs": ["create", "patch"],
        },
        # ttlSecondsAfterFinished.
        {"apiGroups": [GROUP], "resources": [TASK.plural], "verbs": ["delete"]},
        {
            "apiGroups": [GROUP],
            "resources": [TOMBSTONE.plural],
            "verbs": ["create", "update", "delete"],
        },
        # A 404 for a kind means deleted or temporarily not served; its CRD shows which.
        {
            "apiGroups": ["apiextensions.k8s.io"],
            "resources": ["customresourcedefinitions"],
            "resourceNames": [f"{plural}.{GROUP}" for plural in plurals],
            "verbs": ["get"],
        },
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
        # Namespaces: grants depend on their labels, and each user gets a namespace.
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": [*READ, "create"]},
        # ServiceAccounts: these reads show only names, labels and owners of the tokens' subjects.
        {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": [*READ]},
        {
            "apiGroups": [RBAC_GROUP],
            "resources": ["rolebindings", "clusterrolebindings"],
            "verbs": [*READ, "create", "patch", "delete"],
        },
        # The quota of each user's namespace. RBAC can't limit the names of new objects; the policy
        # wegent-operator-quotas does.
        {"apiGroups": [""], "resources": ["resourcequotas"], "verbs": ["create"]},
        {
            "apiGroups": [""],
            "resources": ["resourcequotas"],
            "resourceNames": [QUOTA_NAME],
            "verbs": ["list", "watch", "patch", "delete"],
        },
        # With `bind` on only these three roles, no binding that it writes can give more rights.
        _bind_user_roles(),
    ]
    account_rules = [
        {
            "apiGroups": [""],
            "resources": ["serviceaccounts"],
            "verbs": ["create", "patch", "delete"],
        },
        # An owner reference with blockOwnerDeletion, true or false, needs this right if
        # OwnerReferencesPermissionEnforcement is on.
        {
            "apiGroups": [GROUP],
            "resources": [f"{ACCOUNT.plural}/finalizers"],
            "verbs": ["update"],
        },
    ]
    lease = f"{OPERATOR}-lease"
    lease_rules = [
        # The Lease elects one of several operators. RBAC can't limit the names of new objects.
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": [OPERATOR],
            "verbs": ["get", "update"],
        },
    ]
    return [
        _account(account),
        _role("ClusterRole", {"name": OPERATOR}, cluster_rules),
        _bind("ClusterRole", {"name": OPERATOR}, account),
        _role("Role", {"name": OPERATOR, "namespace": "wegent-accounts"}, account_rules),
        _bind("Role", {"name": OPERATOR, "namespace": "wegent-accounts"}, account),
        _role("Role", {"name": lease, "namespace": "wegent-system"}, lease_rules),
        _bind("Role", {"name": lease, "namespace": "wegent-system"}, account),
    ]


def _bind_user_roles() -> dict[str, Any]:
    return {
        "apiGroups": [RBAC_GROUP],
        "resources": ["clusterroles"],
        "resourceNames": [role_name(role) for role in ROLES],
        "verbs": ["bind"],
    }


def _role(kind: str, metadata: dict[str, Any], rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": f"{RBAC_GROUP}/v1",
        "kind": kind,
        "metadata": {**metadata, "labels": {**LABELS}},
        "rules": rules,
    }


def _bind(kind: str, metadata: dict[str, Any], account: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": f"{RBAC_GROUP}/v1",
        "kind": f"{kind}Binding",
        "metadata": {**metadata, "labels": {**LABELS}},
        "roleRef": {
            "apiGroup": RBAC_GROUP,
            "kind": kind,
            "name": metadata["name"],
        },
        "subjects": [{"kind": "ServiceAccount", **account}],
    }
