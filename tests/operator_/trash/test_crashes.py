"""The operator is killed between two of its writes, and the next operator continues from there.

Each state is made by the operator's own writes, with its own rights, while it is down.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import VERDICT_WITHIN_S, Api
from tests.support.operator import OperatorProcess
from tests.support.waiting import eventually
from wegent_crds.registry import BY_PLURAL, TOMBSTONE
from wegent_crds.well_known import STORED_IN
from wegent_kube import KubeClient, load_connection
from wegent_kube.resources import resource_of
from wegent_operator.trash.tombstones import freeze_patch, restored, tombstone_name, tombstone_of

GHOST = {"systemPrompt": "You help."}
TOMBSTONES = resource_of(TOMBSTONE)


@pytest.fixture
async def as_operator(operator_kubeconfig: Path) -> AsyncIterator[Api]:
    """A client with the operator's rights."""
    async with KubeClient(load_connection(operator_kubeconfig)) as client:
        yield Api(client)


def stored(plural: str, body: dict[str, Any]) -> dict[str, Any]:
    return tombstone_of(BY_PLURAL[plural], body, datetime.now(UTC), timedelta(days=1))


async def one(api: Api, plural: str, namespace: str, name: str) -> dict[str, Any]:
    body = await api.get(plural, namespace, name)
    assert body is not None
    return body


async def tombstones(api: Api, namespace: str, *names: str) -> list[dict[str, Any]]:
    """Wait until there are those Tombstones and no others."""

    async def probe() -> list[dict[str, Any]]:
        found = await api.list("tombstones", namespace)
        assert sorted(it["metadata"]["name"] for it in found) == sorted(names)
        return found or [{}]

    return await eventually(probe, within_s=VERDICT_WITHIN_S, what=f"the Tombstones {names}")


@pytest.mark.parametrize("then", ["frozen", "stored", "edited"])
async def test_between_an_objects_deletion_and_its_end(
    api: Api, as_operator: Api, namespace: str, operator: OperatorProcess, then: str
) -> None:
    made = await api.create("ghosts", namespace, "g", GHOST)
    name = tombstone_name(BY_PLURAL["ghosts"], made["metadata"]["uid"])
    assert operator.stop() == 0
    try:
        await api.ask_to_delete("ghosts", namespace, "g")
        if then != "edited":
            patch = freeze_patch(made["metadata"]["uid"], name)
            await as_operator.merge("ghosts", namespace, "g", patch)
        if then != "frozen":
            body = stored("ghosts", await one(api, "ghosts", namespace, "g"))
            await as_operator.client.request("POST", TOMBSTONES.path(namespace), body=body)
        if then == "edited":
            await api.merge("ghosts", namespace, "g", {"spec": {"systemPrompt": "Late."}})
    finally:
        operator.start()
    await api.gone("ghosts", namespace, "g")
    (tombstone,) = await tombstones(api, namespace, name)
    kept = tombstone["spec"]["object"]
    assert kept["spec"]["systemPrompt"] == ("Late." if then == "edited" else "You help.")
    assert STORED_IN not in kept["metadata"]["annotations"]


@pytest.mark.parametrize("then", ["kept", "deleted"])
async def test_between_an_objects_return_and_its_tombstones_end(
    api: Api, as_operator: Api, namespace: str, operator: OperatorProcess, then: str
) -> None:
    made = await api.create("ghosts", namespace, "g", GHOST, labels={"a": "b"})
    await api.settled("ghosts", namespace, "g")
    await api.delete("ghosts", namespace, "g")
    first = tombstone_name(BY_PLURAL["ghosts"], made["metadata"]["uid"])
    (tombstone,) = await tombstones(api, namespace, first)
    assert operator.stop() == 0
    try:
        await api.merge("tombstones", namespace, first, {"spec": {"restore": True}})
        path = resource_of(BY_PLURAL["ghosts"]).path(namespace)
        back = await as_operator.client.request("POST", path, body=restored(tombstone))
        if then == "deleted":
            await api.ask_to_delete("ghosts", namespace, "g")
    finally:
        operator.start()
    if then == "kept":
        await tombstones(api, namespace)
        again = await api.settled("ghosts", namespace, "g")
        assert again["metadata"]["uid"] == back["metadata"]["uid"]
        return
    # A deleted object stays deleted: it isn't restored a second time.
    second = tombstone_name(BY_PLURAL["ghosts"], back["metadata"]["uid"])
    (left,) = await tombstones(api, namespace, second)
    assert left["spec"]["object"]["metadata"]["labels"] == {"a": "b"}
    await api.gone("ghosts", namespace, "g")  # its finalizer goes after the Tombstone is stored


async def test_a_task_deleted_between_its_return_and_its_results_keeps_them(
    api: Api, as_operator: Api, namespace: str, operator: OperatorProcess
) -> None:
    task = {"botRef": {"name": "none"}, "prompt": "Do it.", "cancel": True}
    made = await api.create("tasks", namespace, "t", task)

    async def cancelled() -> bool:
        body = await one(api, "tasks", namespace, "t")
        assert body["status"].get("phase") == "Cancelled", body["status"]
        return True

    await eventually(cancelled, within_s=VERDICT_WITHIN_S, what="the Task to be cancelled")
    await api.delete("tasks", namespace, "t")
    first = tombstone_name(BY_PLURAL["tasks"], made["metadata"]["uid"])
    (tombstone,) = await tombstones(api, namespace, first)
    assert operator.stop() == 0
    try:
        await api.merge("tombstones", namespace, first, {"spec": {"restore": True}})
        path = resource_of(BY_PLURAL["tasks"]).path(namespace)
        back = await as_operator.client.request("POST", path, body=restored(tombstone))
        await api.ask_to_delete("tasks", namespace, "t")
    finally:
        operator.start()
    second = tombstone_name(BY_PLURAL["tasks"], back["metadata"]["uid"])
    (left,) = await tombstones(api, namespace, second)
    assert left["spec"]["object"]["status"]["phase"] == "Cancelled"
