"""A restored object equals the deleted one, with the last edits of other controllers."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from tests.operator_.trash.obstacles import event_of, hangs, poke
from tests.support.api import VERDICT_WITHIN_S, Api, condition
from tests.support.kubectl import Kubectl
from tests.support.policies import FINALIZERS_STAY, refusing
from tests.support.waiting import eventually
from wegent_crds.well_known import TRASH_FINALIZER

pytestmark = pytest.mark.usefixtures("operator")

GHOST = {"systemPrompt": "You help."}
FOREIGN = "example.com/backup"


async def finalizers(api: Api, namespace: str, *names: str, **more: Any) -> None:
    """Set the Ghost's finalizers, and more in the same write."""
    metadata = {"finalizers": list(names), **more.pop("metadata", {})}
    await api.merge("ghosts", namespace, "g", {"metadata": metadata, **more})


async def back(api: Api, namespace: str) -> Mapping[str, Any]:
    """Restore the one Tombstone, and return the Ghost that was in it."""

    async def one() -> dict[str, Any]:
        found = await api.list("tombstones", namespace)
        assert len(found) == 1, "there is none yet"
        return found[0]

    tombstone = await eventually(one, within_s=VERDICT_WITHIN_S, what="the Tombstone")
    name = tombstone["metadata"]["name"]
    await api.merge("tombstones", namespace, name, {"spec": {"restore": True}})
    await api.gone("tombstones", namespace, name)
    return await api.settled("ghosts", namespace, "g")


@pytest.mark.parametrize("edited", ["with the finalizer", "before"])
async def test_an_edit_while_another_finalizer_holds_the_object_comes_back(
    api: Api, namespace: str, edited: str
) -> None:
    await api.create("ghosts", namespace, "g", GHOST, finalizers=[FOREIGN])
    await api.settled("ghosts", namespace, "g")
    await api.ask_to_delete("ghosts", namespace, "g")
    message = await hangs(api, "ghosts", namespace, "g", "FinalizersRemain")
    assert FOREIGN in message
    assert TRASH_FINALIZER not in message, "that one goes by itself"
    told = await event_of(api, namespace, "g", "FinalizersRemain")
    assert told["type"] == "Normal"
    assert not await api.list("tombstones", namespace)
    edit: dict[str, Any] = {
        "spec": {"systemPrompt": "You help more."},
        "metadata": {"labels": {"edited": "yes"}},
    }
    if edited == "before":
        await api.merge("ghosts", namespace, "g", edit)
        edit = {}
    await finalizers(api, namespace, TRASH_FINALIZER, **edit)
    await api.gone("ghosts", namespace, "g")
    ghost = await back(api, namespace)
    assert ghost["spec"]["systemPrompt"] == "You help more."
    assert ghost["metadata"]["labels"] == {"edited": "yes"}
    assert ghost["metadata"]["finalizers"] == [TRASH_FINALIZER]
    assert "Deleted" not in {it["type"] for it in ghost["status"]["conditions"]}


async def test_edits_after_the_tombstone_was_stored_come_back(api: Api, namespace: str) -> None:
    await api.create("ghosts", namespace, "g", GHOST)
    await api.settled("ghosts", namespace, "g")
    async with refusing(api.client, namespace, "ghosts", expression=FINALIZERS_STAY):
        await api.ask_to_delete("ghosts", namespace, "g")
        await hangs(api, "ghosts", namespace, "g")
        (tombstone,) = await api.list("tombstones", namespace)
        name = tombstone["metadata"]["name"]
        # Wanted back while it is still there: the object itself isn't another.
        await api.merge("tombstones", namespace, name, {"spec": {"restore": True}})
        pending = await api.settled("tombstones", namespace, name, "DeletionPending")
        assert "waiting until the Ghost" in condition(pending, "Ready")["message"]
        edit = {"spec": {"systemPrompt": "You help more."}}
        await api.merge("ghosts", namespace, "g", edit)
    await poke(api, "ghosts", namespace, "g")
    await api.gone("tombstones", namespace, name)
    ghost = await api.settled("ghosts", namespace, "g")
    assert ghost["metadata"]["uid"] != tombstone["spec"]["object"]["metadata"]["uid"]
    assert ghost["spec"]["systemPrompt"] == "You help more."


@pytest.mark.parametrize("cascade", ["foreground", "orphan"])
async def test_the_garbage_collector_has_its_finalizer(
    api: Api, kubectl: Kubectl, namespace: str, cascade: str
) -> None:
    owner = await api.create("ghosts", namespace, "g", GHOST)
    await api.settled("ghosts", namespace, "g")
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": "g",
        "uid": owner["metadata"]["uid"],
        "blockOwnerDeletion": True,
    }
    dependent = {"metadata": {"name": "dependent", "ownerReferences": [reference]}}
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    await api.client.request("POST", path, body=dependent)
    here = f"--namespace={namespace}"
    (await kubectl.call("delete", "ghost", "g", here, f"--cascade={cascade}", "--timeout=45s")).ok()
    left = await api.client.request("GET", path)
    names = {item["metadata"]["name"] for item in left["items"]}
    assert ("dependent" in names) is (cascade == "orphan")
    ghost = await back(api, namespace)
    assert ghost["spec"] == {**GHOST, **ghost["spec"]}


async def test_many_edits_race_with_the_last_finalizer(api: Api, namespace: str) -> None:
    for round_ in range(5):
        await api.create("ghosts", namespace, "g", GHOST, finalizers=[FOREIGN])
        await api.ask_to_delete("ghosts", namespace, "g")
        prompts = [f"{round_}.{number}" for number in range(10)]

        async def edit(prompts: list[str] = prompts) -> None:
            for prompt in prompts:
                await api.merge("ghosts", namespace, "g", {"spec": {"systemPrompt": prompt}})

        await asyncio.gather(edit())
        await finalizers(api, namespace, TRASH_FINALIZER, spec={"systemPrompt": "last"})
        await api.gone("ghosts", namespace, "g")
        assert (await back(api, namespace))["spec"]["systemPrompt"] == "last"
        await api.delete("ghosts", namespace, "g")
        for tombstone in await api.list("tombstones", namespace):
            await api.delete("tombstones", namespace, tombstone["metadata"]["name"])
