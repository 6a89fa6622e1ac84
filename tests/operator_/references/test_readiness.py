"""``status.ready`` repeats the condition Ready, so that kubectl can select by it."""

import json
from typing import Any

import pytest

from tests.support.api import VERDICT_WITHIN_S, Api, condition
from tests.support.audit import AuditLog
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.tasks import ended, running
from tests.support.waiting import eventually
from tests.support.wegent import OPERATOR_USER

pytestmark = pytest.mark.usefixtures("operator")

ACCOUNTS = "wegent-accounts"
GHOST = {"systemPrompt": "You help."}
BOT = {"ghostRef": {"name": "g"}, "modelRef": {"name": "m"}, "shellRef": {"name": "s"}}
TASK = {"botRef": {"name": "b"}, "prompt": "Do it."}


async def selected(kubectl: Kubectl, plural: str, place: str, selector: str) -> list[str]:
    flags = (f"--namespace={place}", f"--field-selector={selector}", "-o", "name")
    listed = (await kubectl.call("get", plural, *flags)).ok().stdout
    return sorted(line.partition("/")[2] for line in listed.split())


async def ready_is(api: Api, plural: str, place: str, name: str, value: str) -> None:
    async def probe() -> bool:
        body = await api.get(plural, place, name)
        assert body is not None
        assert body["status"]["ready"] == value, body["status"]
        return True

    await eventually(probe, within_s=VERDICT_WITHIN_S, what=f"{plural} {name} ready: {value}")


async def test_through_a_chain_that_is_broken_and_mended(
    api: Api, namespace: str, kubectl: Kubectl, audit: AuditLog
) -> None:
    await api.create("bots", namespace, "b", BOT)
    await api.create("tasks", namespace, "t", TASK)
    for plural, name in (("bots", "b"), ("tasks", "t")):
        await ready_is(api, plural, namespace, name, "False")
        assert await selected(kubectl, plural, namespace, "status.ready=False") == [name]
    await api.create("ghosts", namespace, "g", GHOST)
    await api.create("models", namespace, "m", {"provider": "openai", "model": "gpt-4"})
    await api.create("shells", namespace, "s", {"type": "Chat"})
    for plural, name in (
        ("ghosts", "g"), ("models", "m"), ("shells", "s"), ("bots", "b"), ("tasks", "t"),
    ):  # fmt: skip
        await ready_is(api, plural, namespace, name, "True")
        assert await selected(kubectl, plural, namespace, "status.ready=True") == [name]
        assert await selected(kubectl, plural, namespace, "status.ready!=True") == []
    writes = audit.writes(user=OPERATOR_USER, namespace=namespace)
    statuses = [it.resource for it in writes if it.subresource == "status" and it.name == "g"]
    assert statuses == ["ghosts"], "it is the write of the verdict"


async def test_tasks_by_their_end(api: Api, namespace: str, kubectl: Kubectl) -> None:
    await api.create("tasks", namespace, "failed", TASK)
    await api.create("tasks", namespace, "cancelled", TASK | {"cancel": True})
    await api.create("tasks", namespace, "waiting", TASK)
    await ready_is(api, "tasks", namespace, "failed", "False")
    await api.merge("tasks", namespace, "failed", {"status": running()}, "status")
    await api.merge("tasks", namespace, "failed", {"status": ended("Failed") | {"claim": None}},
                    "status")  # fmt: skip
    # The runner wrote only the condition. The operator copies it to status.ready.
    await ready_is(api, "tasks", namespace, "failed", "True")
    await ready_is(api, "tasks", namespace, "cancelled", "Unknown")
    await ready_is(api, "tasks", namespace, "waiting", "False")
    for phase, names in (
        ("Failed", ["failed"]), ("Cancelled", ["cancelled"]), ("Pending", ["waiting"]),
        ("Running", []),
    ):  # fmt: skip
        assert await selected(kubectl, "tasks", namespace, f"status.phase={phase}") == names
    both = "spec.botRef.name=b,status.phase!=Failed"
    assert await selected(kubectl, "tasks", namespace, both) == ["cancelled", "waiting"]


async def test_accounts_and_tombstones(api: Api, namespace: str, kubectl: Kubectl) -> None:
    name = "select-by-readiness"
    await api.create("accounts", ACCOUNTS, name, {"email": f"{name}@example.com"})
    await api.create("accounts", namespace, name, {"email": f"{name}@example.com"})
    await ready_is(api, "accounts", ACCOUNTS, name, "True")
    await ready_is(api, "accounts", namespace, name, "False")
    assert name in await selected(kubectl, "accounts", ACCOUNTS, "status.ready=True")
    assert await selected(kubectl, "accounts", namespace, "status.ready=False") == [name]

    await api.create("ghosts", namespace, "g", GHOST)
    await api.settled("ghosts", namespace, "g")
    await api.delete("ghosts", namespace, "g")
    [tombstone] = await api.list("tombstones", namespace)
    trash = tombstone["metadata"]["name"]
    await ready_is(api, "tombstones", namespace, trash, "True")
    await api.create("ghosts", namespace, "g", GHOST)  # its name is taken
    await api.merge("tombstones", namespace, trash, {"spec": {"restore": True}})
    await ready_is(api, "tombstones", namespace, trash, "False")
    both = "spec.kind=Ghost,status.ready=False"
    assert await selected(kubectl, "tombstones", namespace, both) == [trash]


async def test_an_object_of_an_earlier_version_is_written_once(
    api: Api, namespace: str, operator: OperatorProcess, audit: AuditLog
) -> None:
    await api.create("ghosts", namespace, "g", GHOST)
    await api.settled("ghosts", namespace, "g")

    def count() -> int:
        writes = audit.writes(user=OPERATOR_USER, namespace=namespace)
        return sum(it.subresource == "status" and it.name == "g" for it in writes)

    assert count() == 1
    operator.kill()
    await api.merge("ghosts", namespace, "g", {"status": {"ready": None}}, "status")
    operator.start()
    await ready_is(api, "ghosts", namespace, "g", "True")
    assert operator.stop() == 0
    operator.start()
    await api.create("ghosts", namespace, "later", GHOST)
    await api.settled("ghosts", namespace, "later")
    assert count() == 2


async def test_kubectl_follows_what_becomes_ready(
    api: Api, namespace: str, kubectl: Kubectl
) -> None:
    await api.create("bots", namespace, "b", BOT)
    await ready_is(api, "bots", namespace, "b", "False")
    flags = (f"--namespace={namespace}", "--for=jsonpath={.status.ready}=True", "--timeout=20s")
    await api.create("ghosts", namespace, "g", GHOST)
    await api.create("models", namespace, "m", {"provider": "openai", "model": "gpt-4"})
    await api.create("shells", namespace, "s", {"type": "Chat"})
    (await kubectl.call("wait", "bot/b", *flags)).ok()
    watched = (f"--namespace={namespace}", "--field-selector=status.ready=False")
    shown = (await kubectl.call("get", "bots", *watched, "-o", "json")).ok()
    assert json.loads(shown.stdout)["items"] == []


def test_users_can_not_set_it(kubectl: Kubectl, namespace: str) -> None:
    body: dict[str, Any] = {
        "apiVersion": "agent.wecode.io/v1",
        "kind": "Model",
        "metadata": {"name": "m", "namespace": namespace},
        "spec": {"provider": "openai", "model": "gpt-4"},
        "status": {"ready": "False"},
    }
    made = kubectl.run("create", "-f", "-", "-o", "json", stdin=body).ok().json
    assert made["status"]["ready"] == "Unknown"
    assert condition(made, "Ready")["status"] == "Unknown"
