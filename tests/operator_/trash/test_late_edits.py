"""A restored object contains each accepted edit, also of the moment of its deletion."""

import asyncio
from typing import Any

import pytest

from tests.operator_.trash.obstacles import hangs, poke
from tests.support.api import VERDICT_WITHIN_S, Api
from tests.support.operator import OperatorProcess
from tests.support.policies import FINALIZERS_STAY, refusing
from tests.support.waiting import eventually
from wegent_crds.registry import BY_PLURAL
from wegent_crds.well_known import STORED_IN, TRASH_FINALIZER
from wegent_kube import ApiError
from wegent_kube.content_types import MERGE_PATCH
from wegent_kube.resources import resource_of

pytestmark = pytest.mark.usefixtures("operator")

GHOST = {"systemPrompt": "You help."}
OBJECTS = 16
EDITORS = 2
PAUSE_S = 0.05


async def edit(api: Api, namespace: str, name: str, metadata: dict[str, Any]) -> None:
    """Edit the metadata of a Ghost."""
    path = resource_of(BY_PLURAL["ghosts"]).path(namespace, name)
    body = {"metadata": metadata}
    await api.client.request("PATCH", path, body=body, content_type=MERGE_PATCH)


async def edit_until_gone(api: Api, namespace: str, made: dict[str, Any], label: str) -> int:
    """Edit a label of the object until it is gone; return the last answered value."""
    answered = 0
    while True:
        metadata = {"uid": made["metadata"]["uid"], "labels": {label: str(answered + 1)}}
        try:
            await edit(api, namespace, made["metadata"]["name"], metadata)
        except ApiError as error:
            if error.is_not_found or error.is_conflict:
                return answered
            if "is now stored in its Tombstone" not in error.message:
                raise
        else:
            answered += 1
        await asyncio.sleep(PAUSE_S)


async def lost(api: Api, namespace: str, number: int) -> list[Any]:
    """Delete a Ghost that is being edited; return the answered edits that its Tombstone lacks."""
    made = await api.create("ghosts", namespace, f"g{number}", GHOST)
    name, uid = made["metadata"]["name"], made["metadata"]["uid"]
    labels = [f"editor-{editor}" for editor in range(EDITORS)]
    editing = asyncio.gather(*(edit_until_gone(api, namespace, made, label) for label in labels))
    await asyncio.sleep(PAUSE_S * number)
    await api.ask_to_delete("ghosts", namespace, name)
    answered = await asyncio.wait_for(editing, VERDICT_WITHIN_S)
    tombstone = await api.get("tombstones", namespace, f"ghost-{uid}")
    assert tombstone is not None
    kept = tombstone["spec"]["object"]["metadata"].get("labels") or {}
    return [
        (name, label, f"answered: {last}, kept: {kept.get(label, 0)}")
        for label, last in zip(labels, answered, strict=True)
        if int(kept.get(label, 0)) < last
    ]


async def test_every_answered_edit_is_in_the_tombstone(api: Api, namespace: str) -> None:
    found = await asyncio.gather(*(lost(api, namespace, number) for number in range(OBJECTS)))
    assert not [edit for edits in found for edit in edits]


async def test_a_stored_object_takes_no_edits_and_its_end_is_not_held_up(
    api: Api, namespace: str, operator: OperatorProcess
) -> None:
    foreign = "example.com/backup"
    # As the operator leaves it when it is killed after the object is marked as stored.
    await api.create("ghosts", namespace, "g", GHOST, finalizers=[foreign])
    made = await api.settled("ghosts", namespace, "g")
    assert operator.stop() == 0
    await api.ask_to_delete("ghosts", namespace, "g")
    await edit(api, namespace, "g", {"annotations": {STORED_IN: "by hand"}})
    # The mark, which anybody could set, keeps no controller from removing its finalizer.
    await edit(api, namespace, "g", {"finalizers": [TRASH_FINALIZER], "labels": {"a": "b"}})
    for subresource in ("", "status"):
        with pytest.raises(ApiError, match="is now stored in its Tombstone") as caught:
            await api.merge(
                "ghosts", namespace, "g", {"metadata": {"labels": {"late": "x"}}}, subresource
            )
        assert caught.value.is_invalid
    operator.start()
    await api.gone("ghosts", namespace, "g")
    name = f"ghost-{made['metadata']['uid']}"
    tombstone = await api.get("tombstones", namespace, name)
    assert tombstone is not None
    metadata = tombstone["spec"]["object"]["metadata"]
    assert metadata["labels"] == {"a": "b"}
    assert STORED_IN not in metadata["annotations"]
    assert STORED_IN not in str(metadata["managedFields"])


async def test_a_hung_object_can_be_edited_and_is_left_unchanged_by_each_try(
    api: Api, namespace: str
) -> None:
    await api.create("ghosts", namespace, "g", GHOST)
    await api.settled("ghosts", namespace, "g")
    async with refusing(api.client, namespace, "ghosts", expression=FINALIZERS_STAY):
        await api.ask_to_delete("ghosts", namespace, "g")
        await hangs(api, "ghosts", namespace, "g")
        await poke(api, "ghosts", namespace, "g")
        before = await api.get("ghosts", namespace, "g")
        assert before is not None
        assert STORED_IN not in before["metadata"]["annotations"]
        await asyncio.sleep(2.5)  # in which it is tried again twice
        assert await api.get("ghosts", namespace, "g") == before
        await edit(api, namespace, "g", {"labels": {"a": "b"}})
    await poke(api, "ghosts", namespace, "g")
    await api.gone("ghosts", namespace, "g")
    name = f"ghost-{before['metadata']['uid']}"

    async def kept() -> dict[str, Any]:
        tombstone = await api.get("tombstones", namespace, name)
        assert tombstone is not None
        return dict(tombstone["spec"]["object"]["metadata"])

    metadata = await eventually(kept, within_s=VERDICT_WITHIN_S, what="the Tombstone")
    assert metadata["labels"] == {"a": "b"}
    assert metadata["annotations"] == before["metadata"]["annotations"]


async def test_without_the_mark_too_the_object_goes_or_says_what_holds_it_up(
    api: Api, namespace: str
) -> None:
    refused = f"!('{STORED_IN}' in object.metadata.?annotations.orValue({{}}))"
    await api.create("ghosts", namespace, "g", GHOST)
    async with refusing(api.client, namespace, "ghosts", expression=refused):
        await api.delete("ghosts", namespace, "g")
    (tombstone,) = await api.list("tombstones", namespace)
    assert tombstone["spec"]["object"]["spec"]["systemPrompt"] == "You help."
