"""Users of the proxy, and a stand-in for the operator, which gives them their rights."""

import secrets
from dataclasses import dataclass

from tests.support.api import VERDICT_WITHIN_S
from tests.support.kubectl import Kubectl
from tests.support.proxy import Client
from tests.support.waiting import eventually
from wegent_operator.accounts.provisioned import ACCOUNT_UID_LABEL

ACCOUNTS = "wegent-accounts"
PASSWORD = "securepassword123"


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


async def provision(kubectl: Kubectl, username: str) -> None:
    """Provision one Account in the operator's order: the ServiceAccount comes last."""
    own = f"wegent-{username}"
    get = ("get", "account", username, f"--namespace={ACCOUNTS}", "-o", "jsonpath={.metadata.uid}")
    uid = (await kubectl.call(*get)).ok().stdout
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": own}},
        role_binding(own, {"kind": "ServiceAccount", "name": username, "namespace": ACCOUNTS}),
        role_binding(
            "default",
            {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Group",
                "name": f"system:serviceaccounts:{ACCOUNTS}",
            },
        ),
        service_account(username, uid),
    ]
    listing = {"apiVersion": "v1", "kind": "List", "items": objects}
    (await kubectl.call("apply", "-f", "-", stdin=listing)).ok()


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
        "metadata": {"name": "operator-stand-in", "namespace": namespace},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "wegent-editor",
        },
        "subjects": [subject],
    }
