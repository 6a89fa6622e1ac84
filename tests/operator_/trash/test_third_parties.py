"""Third parties that change what the operator writes, and namespaces that go with a full trash."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.operator_.trash.obstacles import event_of, hangs, poke
from tests.support.api import VERDICT_WITHIN_S, Api
from tests.support.mutating import finalizer, label, mutating
from tests.support.policies import FINALIZERS_STAY, put_quota, refusing
from tests.support.waiting import eventually
from wegent_crds.well_known import TOMBSTONE_OF, TRASH_FINALIZER
from wegent_kube.resources import NAMESPACES

pytestmark = pytest.mark.usefixtures("operator")

GHOST = {"systemPrompt": "You help."}
FOREIGN = "example.com/backup"
INSTANCE = "app.kubernetes.io/instance"


async def tombstone_of(api: Api, namespace: str, made: Mapping[str, Any]) -> dict[str, Any]:
    """Wait for the Tombstone of a Ghost."""

    async def probe() -> dict[str, Any]:
        found = await api.get("tombstones", namespace, f"ghost-{made['metadata']['uid']}")
        assert found is not None, "it isn't there"
        return found

    return await eventually(probe, within_s=VERDICT_WITHIN_S, what="the Tombstone")


async def restore(api: Api, namespace: str, tombstone: Mapping[str, Any]) -> None:
    name = tombstone["metadata"]["name"]
    await api.merge("tombstones", namespace, name, {"spec": {"restore": True}})


async def back(api: Api, namespace: str, before: Mapping[str, Any]) -> dict[str, Any]:
    """Wait for another Ghost of the name, and return it."""

    async def probe() -> dict[str, Any]:
        found = await api.get("ghosts", namespace, "g")
        assert found is not None, "it isn't back"
        assert found["metadata"]["uid"] != before["metadata"]["uid"]
        return found

    return await eventually(probe, within_s=VERDICT_WITHIN_S, what="the Ghost to be back")


async def test_labels_that_are_added_to_everything_hinder_nothing(api: Api, namespace: str) -> None:
    async with mutating(api.client, namespace, ["ghosts", "tombstones"], label(INSTANCE, "team-a")):
        made = await api.create("ghosts", namespace, "g", GHOST, labels={"a": "b"})
        await api.delete("ghosts", namespace, "g")
        tombstone = await tombstone_of(api, namespace, made)
        labels = {"a": "b", INSTANCE: "team-a"}
        assert tombstone["spec"]["object"]["metadata"]["labels"] == labels
        await restore(api, namespace, tombstone)
        await api.gone("tombstones", namespace, tombstone["metadata"]["name"])
    assert (await back(api, namespace, made))["metadata"]["labels"] == labels


async def test_a_tombstone_that_a_finalizer_holds_says_so_and_restores_once(
    api: Api, namespace: str
) -> None:
    async with mutating(
        api.client, namespace, ["tombstones"], finalizer(FOREIGN), operations=["CREATE"]
    ):
        made = await api.create("ghosts", namespace, "g", GHOST)
        await api.delete("ghosts", namespace, "g")
    tombstone = await tombstone_of(api, namespace, made)
    name = tombstone["metadata"]["name"]
    assert tombstone["metadata"]["labels"] == {TOMBSTONE_OF: "ghosts"}
    await restore(api, namespace, tombstone)
    message = await hangs(api, "tombstones", namespace, name, "FinalizersRemain")
    assert FOREIGN in message
    await event_of(api, namespace, name, "FinalizersRemain")
    await api.settled("ghosts", namespace, "g")
    await api.delete("ghosts", namespace, "g")  # and it stays deleted
    await api.merge("tombstones", namespace, name, {"metadata": {"labels": {"poked": "yes"}}})
    await api.merge("tombstones", namespace, name, {"metadata": {"finalizers": None}})
    await api.gone("tombstones", namespace, name)
    assert await api.get("ghosts", namespace, "g") is None
    (left,) = await api.list("tombstones", namespace)
    assert left["metadata"]["name"] != name


async def test_a_finalizer_that_is_added_to_objects_hangs_in_words(
    api: Api, namespace: str
) -> None:
    async with mutating(api.client, namespace, ["ghosts"], finalizer(FOREIGN)):
        made = await api.create("ghosts", namespace, "g", GHOST)
        await api.ask_to_delete("ghosts", namespace, "g")
        assert FOREIGN in await hangs(api, "ghosts", namespace, "g", "FinalizersRemain")
    await api.merge("ghosts", namespace, "g", {"metadata": {"finalizers": [TRASH_FINALIZER]}})
    await api.gone("ghosts", namespace, "g")
    await restore(api, namespace, await tombstone_of(api, namespace, made))
    assert (await back(api, namespace, made))["metadata"]["finalizers"] == [TRASH_FINALIZER]
    # A webhook adds a finalizer to each changed object. The API server refuses new finalizers
    # during a deletion.
    async with mutating(api.client, namespace, ["ghosts"], finalizer(FOREIGN)):
        await api.ask_to_delete("ghosts", namespace, "g")
        message = await hangs(api, "ghosts", namespace, "g")
        assert "no new finalizers can be added" in message
    await poke(api, "ghosts", namespace, "g")
    await api.gone("ghosts", namespace, "g")


async def test_a_tombstone_that_is_purged_while_its_object_hangs_loses_nothing(
    api: Api, namespace: str
) -> None:
    made = await api.create("ghosts", namespace, "g", GHOST)
    async with refusing(api.client, namespace, "ghosts", expression=FINALIZERS_STAY):
        await api.ask_to_delete("ghosts", namespace, "g")
        await hangs(api, "ghosts", namespace, "g")
        name = (await tombstone_of(api, namespace, made))["metadata"]["name"]
        await api.merge("tombstones", namespace, name, {"metadata": {"finalizers": [FOREIGN]}})
        await api.ask_to_delete("tombstones", namespace, name)
        await poke(api, "ghosts", namespace, "g")

        async def says_so() -> bool:
            message = await hangs(api, "ghosts", namespace, "g")
            assert f"the Tombstone {name} of an earlier try is being deleted" in message
            return True

        await eventually(says_so, within_s=VERDICT_WITHIN_S, what="the object to say so")
    await hangs(api, "ghosts", namespace, "g")
    await api.merge("tombstones", namespace, name, {"metadata": {"finalizers": None}})
    await api.gone("ghosts", namespace, "g")
    tombstone = await tombstone_of(api, namespace, made)
    assert "deletionTimestamp" not in tombstone["metadata"]


async def test_two_tombstones_of_a_name_are_restored_once_each(api: Api, namespace: str) -> None:
    made = []
    for prompt in ("One.", "Two."):
        made.append(await api.create("ghosts", namespace, "g", {"systemPrompt": prompt}))
        await api.delete("ghosts", namespace, "g")
    for it in made:
        await restore(api, namespace, await tombstone_of(api, namespace, it))

    async def one_is_back_and_one_waits() -> bool:
        found = await api.list("tombstones", namespace)
        assert len(found) == 1
        reasons = [it["reason"] for it in found[0]["status"]["conditions"]]
        assert "NameTaken" in reasons, reasons
        return True

    await eventually(one_is_back_and_one_waits, within_s=VERDICT_WITHIN_S, what="one to be back")


async def test_a_namespace_goes_with_hung_objects_and_a_full_trash(
    api: Api, namespace: str
) -> None:
    for name in ("hung", "restored", "kept", "alive"):
        await api.create("ghosts", namespace, name, GHOST)
    kept = [await api.get("ghosts", namespace, name) for name in ("restored", "kept")]
    for name in ("restored", "kept"):
        await api.delete("ghosts", namespace, name)
    await put_quota(api.client, namespace, "ghosts")
    assert kept[0] is not None
    await restore(api, namespace, await tombstone_of(api, namespace, kept[0]))
    await put_quota(api.client, namespace, "tombstones")
    await api.ask_to_delete("ghosts", namespace, "hung")
    await hangs(api, "ghosts", namespace, "hung")
    await api.client.request("DELETE", NAMESPACES.path(None, namespace))

    async def gone() -> bool:
        listed = await api.client.request("GET", NAMESPACES.path())
        left = [it for it in listed["items"] if it["metadata"]["name"] == namespace]
        assert not left, left[0]["status"]
        return True

    await eventually(gone, within_s=60, what=f"namespace {namespace} to be gone")
