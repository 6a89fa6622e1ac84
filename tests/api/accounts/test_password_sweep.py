"""Password Secrets left behind by a registration that was cut off."""

import re
from typing import Any

from tests.api.conftest import ProxyFactory
from tests.api.users import ACCOUNTS, PASSWORD, unique
from tests.support.audit import AuditLog
from tests.support.kubectl import Kubectl
from tests.support.proxy import Client
from tests.support.waiting import eventually
from wegent_api.accounts.password_secrets import SECRET_TYPE, USER_LABEL

PROXY = "system:serviceaccount:wegent-system:wegent-api"
LIST = ("list", "secrets")


def secret(name: str, username: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": ACCOUNTS,
            "labels": {USER_LABEL: username},
        },
        "type": SECRET_TYPE,
        "stringData": {"hash": "x"},
    }


async def owner(kubectl: Kubectl, name: str) -> str | None:
    """Return the owner of a Secret; None where the Secret is not there."""
    path = "-ojsonpath={.metadata.ownerReferences[0].name}"
    found = await kubectl.call("get", "secret", name, f"-n{ACCOUNTS}", path)
    return found.stdout if found.exit_code == 0 else None


async def test_orphans_are_deleted_and_what_lost_its_owner_gets_it_back(
    anonymous: Client, kubectl: Kubectl, start_proxy: ProxyFactory
) -> None:
    registered = unique("kept")
    body = {"username": registered, "email": "a@example.com", "password": PASSWORD}
    (await anonymous.post("/api/v1/auth/register", body)).expect(201)
    path = "-ojsonpath={.spec.passwordSecretRef.name}"
    read = await kubectl.call("get", "account", registered, f"-n{ACCOUNTS}", path)
    kept = read.ok().stdout
    cut = '--patch={"metadata":{"ownerReferences":null}}'
    (await kubectl.call("patch", "secret", kept, f"-n{ACCOUNTS}", "--type=merge", cut)).ok()
    of_nobody, superseded, foreign = unique("orphan"), unique("old"), unique("foreign")
    unlabelled = secret(foreign, "x")
    del unlabelled["metadata"]["labels"]
    for left in (secret(of_nobody, unique("nobody")), secret(superseded, registered), unlabelled):
        (await kubectl.call("create", "-f", "-", stdin=left)).ok()

    process = start_proxy(orphan_age_s="0")

    async def mended() -> bool:
        return await owner(kubectl, kept) == registered

    async def swept() -> bool:
        gone = [await owner(kubectl, name) is None for name in (of_nobody, superseded)]
        return all(gone)

    await eventually(mended, within_s=30, what=f"the Account owns its Secret: {process.logged()}")
    await eventually(swept, within_s=30, what=f"orphans are gone: {process.logged()}")
    assert await owner(kubectl, foreign) == ""
    metrics = (await Client(anonymous.session, process.url).get("/metrics")).content.decode()
    [swept_total] = re.findall(r"^wegent_api_swept_secrets_total (.+)$", metrics, re.MULTILINE)
    assert float(swept_total) >= 2


async def test_young_secrets_are_left_alone(
    kubectl: Kubectl, start_proxy: ProxyFactory, audit: AuditLog
) -> None:
    """Young Secrets may belong to a registration in progress."""
    name = unique("young")
    (await kubectl.call("create", "-f", "-", stdin=secret(name, unique("nobody")))).ok()
    start_proxy(sweep_interval_s="0.2")

    def swept_twice() -> bool:
        listed = [it for it in audit.requests(user=PROXY) if (it.verb, it.resource) == LIST]
        return len(listed) >= 3  # the third has begun, so two have ended

    await eventually(swept_twice, within_s=30, what="three sweeps")
    assert await owner(kubectl, name) == ""
    assert not [it for it in audit.writes(user=PROXY) if it.name == name]
