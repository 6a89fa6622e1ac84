"""The largest object of each kind passes through the trash, whatever its characters cost."""

from typing import Any

import pytest

from tests.crds.largest import largest_body, stored_size
from tests.crds.validation import LARGE_BODIES
from tests.operator_.trash.obstacles import hangs, poke
from tests.support.api import VERDICT_WITHIN_S, Api
from tests.support.cluster_policies import without_policy
from tests.support.policies import no_room_for
from tests.support.waiting import eventually
from wegent_crds.registry import API_VERSION, KINDS, SKILL
from wegent_kube import ApiError
from wegent_kube.resources import resource_of

pytestmark = [pytest.mark.usefixtures("operator"), pytest.mark.filterwarnings(LARGE_BODIES)]

ETCD_LIMIT = 1536 * 1024
"""Bytes of a request to etcd (its default of --max-request-bytes)."""
EMOJI = "\N{GRINNING FACE}"
SERVED = [kind.plural for kind in KINDS if kind.user_facing]


def in_emoji(value: Any) -> Any:
    """Return the largest body with each ``<``, six bytes in etcd, as an emoji: four."""
    if isinstance(value, dict):
        return {key: in_emoji(item) for key, item in value.items()}
    if isinstance(value, list):
        return [in_emoji(item) for item in value]
    return value.replace("<", EMOJI) if isinstance(value, str) else value


async def through_the_trash(api: Api, plural: str, namespace: str, name: str) -> Any:
    await api.delete(plural, namespace, name)
    (tombstone,) = await api.list("tombstones", namespace)
    key = tombstone["metadata"]["name"]
    await api.merge("tombstones", namespace, key, {"spec": {"restore": True}})
    await api.gone("tombstones", namespace, key)
    back = await api.get(plural, namespace, name)
    assert back is not None
    return back


@pytest.mark.parametrize("characters", ["emoji", "escaped"])
@pytest.mark.parametrize("plural", SERVED)
async def test_the_largest_object_passes_through(
    api: Api, namespace: str, plural: str, characters: str
) -> None:
    body = largest_body(plural)
    spec = in_emoji(body["spec"]) if characters == "emoji" else body["spec"]
    notes = {f"n{number}": EMOJI * 10_000 for number in range(6)}
    before = await api.create(plural, namespace, "x", spec, annotations=notes)
    after = await through_the_trash(api, plural, namespace, "x")
    assert after["spec"] == before["spec"]
    assert after["metadata"]["annotations"].items() >= notes.items()


async def test_an_object_that_fills_etcds_limit_passes_through(api: Api, namespace: str) -> None:
    async def beyond_the_bounds() -> Any:
        labels = {f"l{number}": "v" for number in range(100)}
        path = resource_of(SKILL).path(namespace)
        made = {"metadata": {"name": "trial", "labels": labels}, "spec": {"description": "d"}}
        typed = {"apiVersion": API_VERSION, "kind": SKILL.kind, **made}
        return await api.client.request("POST", path, body=typed, params={"dryRun": "All"})

    # Only an object from before the policy can be as large.
    async with without_policy(api, "wegent-bounds", beyond_the_bounds):
        await _fill_and_delete(api, namespace)


async def _fill_and_delete(api: Api, namespace: str) -> None:
    spec = largest_body("skills")["spec"]

    async def stored(characters: int) -> bool:
        notes = {"a/n": "<" * characters}
        try:
            await api.create("skills", namespace, f"s{characters}", spec, annotations=notes)
        except ApiError as error:
            if "too large" not in error.message:
                raise
            return False
        # Nothing so large stays behind: the mark of a deletion alone may make it too large.
        patch = {"metadata": {"annotations": {"a/n": None}}}
        await api.merge("skills", namespace, f"s{characters}", patch)
        return True

    made = await api.create("skills", namespace, "base", spec, annotations={"a/n": "<"})
    room = (ETCD_LIMIT - stored_size(made)) // len(r"\u003c")
    low, high = room - 1000, room + 1000
    assert await stored(low), "more is stored along with the object than was thought"
    assert not await stored(high), "less is stored along with the object than was thought"
    while high - low > 200:
        middle = (low + high) // 2
        low, high = (middle, high) if await stored(middle) else (low, middle)
    # Room for verdicts, of which one is on 16 MCP servers, and for the deletionTimestamp; without
    # that, not even an administrator can delete it.
    notes = {"a/n": "<" * (low - 1200)}
    skill = await api.create("skills", namespace, "full", spec, annotations=notes)
    await api.delete("skills", namespace, "full")
    (tombstone,) = await api.list("tombstones", namespace)
    kept = tombstone["spec"]["object"]
    assert kept["spec"] == skill["spec"]
    assert kept["metadata"]["annotations"] == skill["metadata"]["annotations"]


async def test_many_labels_and_no_room(api: Api, namespace: str) -> None:
    labels = {f"example.com/label-{number}": "v" * 60 for number in range(64)}
    await api.create("ghosts", namespace, "g", {"systemPrompt": "You help."}, labels=labels)
    async with no_room_for(api.client, namespace, "tombstones"):
        await api.ask_to_delete("ghosts", namespace, "g")
        await hangs(api, "ghosts", namespace, "g")
    await poke(api, "ghosts", namespace, "g")
    await api.gone("ghosts", namespace, "g")

    async def one() -> dict[str, Any]:
        found = await api.list("tombstones", namespace)
        assert found
        return found[0]

    tombstone = await eventually(one, within_s=VERDICT_WITHIN_S, what="the Tombstone")
    assert len(tombstone["metadata"]["labels"]) == 1
    assert tombstone["spec"]["object"]["metadata"]["labels"] == labels
