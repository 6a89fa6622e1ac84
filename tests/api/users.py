"""Users of the proxy, and a stand-in for the operator, which gives them their rights."""

import secrets
from dataclasses import dataclass

from tests.support.api import VERDICT_WITHIN_S, Api
from tests.support.proxy import Client
from tests.support.waiting import eventually
from wegent_kube.content_types import APPLY_PATCH
from wegent_kube.resources import NAMESPACES, ROLE_BINDINGS, SERVICE_ACCOUNTS
from wegent_operator.accounts.provisioned import ACCOUNT_UID_LABEL

ACCOUNTS = "wegent-accounts"
PASSWORD = "securepassword123"
STAND_IN = "operator-stand-in"


@dataclass(frozen=True, slots=True)
class User:
    """A user with an Account, who is logged in."""

    name: str
    client: Client

    @property
    def home(self) -> str:
        """The user's own namespace."""
        return f"wegent-{self.name}"

    @property
    def account(self) -> str:
        """The name by which the API server knows the user."""
        return f"system:serviceaccount:{ACCOUNTS}:{self.name}"


async def answered(user: User, path: str, status: int, within_s: float = VERDICT_WITHIN_S) -> None:
    """Wait until the API server's own watch has seen a change of rights."""

    async def probe() -> bool:
        return (await user.client.get(path)).status == status

    await eventually(probe, within_s=within_s, what=f"{path} is answered {status}")


def unique(prefix: str) -> str:
    """Return a name that no other test uses."""
    return f"{prefix}-{secrets.token_hex(4)}"


async def provision(api: Api, username: str) -> None:
    """Provision one Account in the operator's order: the ServiceAccount comes last."""
    own = f"wegent-{username}"
    account = await api.get("accounts", ACCOUNTS, username)
    assert account is not None
    all_users = {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Group",
        "name": f"system:serviceaccounts:{ACCOUNTS}",
    }
    user = {"kind": "ServiceAccount", "name": username, "namespace": ACCOUNTS}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": own}}
    for path, body in (
        (NAMESPACES.path(None, own), namespace),
        (ROLE_BINDINGS.path(own, STAND_IN), role_binding(own, user)),
        (ROLE_BINDINGS.path("default", STAND_IN), role_binding("default", all_users)),
        (
            SERVICE_ACCOUNTS.path(ACCOUNTS, username),
            service_account(username, account["metadata"]["uid"]),
        ),
    ):
        await api.client.request(
            "PATCH",
            path,
            body=body,
            params={"fieldManager": STAND_IN, "force": "true"},
            content_type=APPLY_PATCH,
        )


def service_account(username: str, uid: str | None = None) -> dict[str, object]:
    """Return the ServiceAccount of ``username``.

    With the Account's ``uid``, an operator that starts later recognises it as its own. The operator
    replaces any other ServiceAccount, and so ends its tokens.
    """
    labels = {} if uid is None else {ACCOUNT_UID_LABEL: uid}
    metadata = {"name": username, "namespace": ACCOUNTS, "labels": labels}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def role_binding(namespace: str, subject: dict[str, str]) -> dict[str, object]:
    """Return a RoleBinding that makes ``subject`` an editor of ``namespace``."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": STAND_IN, "namespace": namespace},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "wegent-editor",
        },
        "subjects": [subject],
    }
