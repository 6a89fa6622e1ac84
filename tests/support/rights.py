"""ServiceAccounts with rights that hold when they are returned.

The API server's authorizer reads bindings from a cache. On a busy machine a request that follows
the creation of a binding may be refused. So these functions wait until it is allowed.
"""

from typing import Any

from tests.support.api import Api
from tests.support.waiting import eventually
from wegent_kube.resources import (
    CLUSTER_ROLE_BINDINGS,
    RBAC_ROLES,
    ROLE_BINDINGS,
    SERVICE_ACCOUNTS,
    Resource,
)

TOKEN_S = 8 * 3600
CLUSTER_ROLES = Resource(RBAC_ROLES.group, RBAC_ROLES.version, "clusterroles")
ACCESS_REVIEWS = Resource("authorization.k8s.io", "v1", "subjectaccessreviews")


async def create_account(api: Api, namespace: str, name: str) -> str:
    """Create a ServiceAccount and return a token of it, which outlasts a run of the tests."""
    path = SERVICE_ACCOUNTS.path(namespace)
    await api.client.request("POST", path, body={"metadata": {"name": name}})
    request = {"spec": {"expirationSeconds": TOKEN_S}}
    path = SERVICE_ACCOUNTS.path(namespace, name, "token")
    answer: dict[str, Any] = await api.client.request("POST", path, body=request)
    token: str = answer["status"]["token"]
    return token


async def grant(
    api: Api,
    account: tuple[str, str],
    role: str,
    namespace: str | None,
    *,
    kind: str = "ClusterRole",
) -> None:
    """Bind a role to a ServiceAccount, and wait until the API server knows it.

    Args:
        account: namespace and name of the ServiceAccount.
        role: the role's name; its binding is named after the ServiceAccount.
        namespace: the place of the binding; None binds the role in the whole cluster.
        kind: ``ClusterRole``, or ``Role`` in the same namespace.
    """
    home, name = account
    resource = CLUSTER_ROLE_BINDINGS if namespace is None else ROLE_BINDINGS
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC_ROLES.group, "kind": kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "namespace": home, "name": name}],
    }
    await api.client.request("POST", resource.path(namespace), body=binding)
    in_cluster = kind == "ClusterRole"
    path = CLUSTER_ROLES.path(None, role) if in_cluster else RBAC_ROLES.path(namespace, role)
    rule = (await api.client.request("GET", path))["rules"][0]
    review = {
        "spec": {
            "user": f"system:serviceaccount:{home}:{name}",
            "groups": [f"system:serviceaccounts:{home}", "system:authenticated"],
            "resourceAttributes": {
                "namespace": namespace or "",
                "group": rule["apiGroups"][0],
                "resource": rule["resources"][0],
                "verb": rule["verbs"][0],
                "name": (rule.get("resourceNames") or [""])[0],
            },
        }
    }

    async def is_known() -> bool:
        answer = await api.client.request("POST", ACCESS_REVIEWS.path(), body=review)
        assert answer["status"]["allowed"], answer["status"]
        return True

    await eventually(is_known, within_s=60, what=f"the role {role} of {name}")


async def create_member(api: Api, namespace: str, name: str, role: str = "wegent-editor") -> str:
    """Create a ServiceAccount that has a ClusterRole in its namespace, and return its token."""
    token = await create_account(api, namespace, name)
    await grant(api, (namespace, name), role, namespace)
    return token
