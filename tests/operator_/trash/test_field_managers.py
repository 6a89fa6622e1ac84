"""Fields keep their field managers, also after a restore."""

from typing import Any

import pytest

from tests.support.api import VERDICT_WITHIN_S, Api
from tests.support.kubectl import Kubectl
from tests.support.policies import refusing
from tests.support.waiting import eventually
from wegent_crds.registry import API_VERSION, BY_PLURAL
from wegent_kube.content_types import APPLY_PATCH
from wegent_kube.resources import resource_of

pytestmark = pytest.mark.usefixtures("operator")

OPERATOR = "wegent-operator"
APPLIED: dict[str, dict[str, Any]] = {
    "ghosts": {"systemPrompt": "You help.", "skillRefs": [{"name": "k"}]},
    "models": {"provider": "openai", "model": "gpt-4"},
    "teams": {"bots": [{"name": "b"}, {"name": "c"}]},
    "skills": {"description": "Reviews a diff", "tags": ["a", "b"]},
}
CHANGED: dict[str, dict[str, Any]] = {
    "ghosts": {"systemPrompt": "You help more."},
    "models": {"provider": "openai", "model": "gpt-5"},
    "teams": {"bots": [{"name": "b"}]},
    "skills": {"description": "Reviews a diff", "tags": ["b"]},
}


async def apply(
    api: Api, plural: str, namespace: str, spec: dict[str, Any], manager: str, **labels: str
) -> dict[str, Any]:
    """Apply server-side, without force: a conflict is an error."""
    kind = BY_PLURAL[plural]
    metadata = {"name": "x", "namespace": namespace, "labels": labels}
    body = {"apiVersion": API_VERSION, "kind": kind.kind, "metadata": metadata, "spec": spec}
    found: dict[str, Any] = await api.client.request(
        "PATCH",
        resource_of(kind).path(namespace, "x"),
        body=body,
        params={"fieldManager": manager},
        content_type=APPLY_PATCH,
    )
    return found


def owners(body: dict[str, Any]) -> dict[tuple[str, str, str], Any]:
    """Return the field managers with their fields, without the operator's own."""
    return {
        (entry["manager"], entry["operation"], entry.get("subresource", "")): entry["fieldsV1"]
        for entry in body["metadata"]["managedFields"]
        if entry["manager"] != OPERATOR
    }


async def through_the_trash(api: Api, plural: str, namespace: str, name: str = "x") -> Any:
    """Delete an object and restore it."""
    await api.delete(plural, namespace, name)
    for tombstone in await api.list("tombstones", namespace):
        key = tombstone["metadata"]["name"]
        await api.merge("tombstones", namespace, key, {"spec": {"restore": True}})
        await api.gone("tombstones", namespace, key)
    return await api.get(plural, namespace, name)


async def reconciled(api: Api, plural: str, namespace: str) -> dict[str, Any]:
    """Wait until the operator has evaluated the object."""

    async def probe() -> dict[str, Any]:
        body = await api.get(plural, namespace, "x")
        assert body is not None
        assert body["status"].get("observedGeneration") == body["metadata"]["generation"]
        return body

    return await eventually(probe, within_s=VERDICT_WITHIN_S, what="a verdict")


@pytest.mark.parametrize("plural", APPLIED)
async def test_a_changed_apply_of_the_same_manager_is_no_conflict(
    api: Api, namespace: str, plural: str
) -> None:
    await apply(api, plural, namespace, APPLIED[plural], "pipeline", app="x", old="y")
    await api.merge(plural, namespace, "x", {"metadata": {"annotations": {"note": "z"}}})
    before = await reconciled(api, plural, namespace)
    for _ in range(2):
        after = await through_the_trash(api, plural, namespace)
        assert owners(after) == owners(before)
        before = await reconciled(api, plural, namespace)
    after = await apply(api, plural, namespace, CHANGED[plural], "pipeline", app="changed")
    # The pipeline owned the label that it no longer applies, so the label is gone.
    assert after["metadata"]["labels"] == {"app": "changed"}
    changed = await reconciled(api, plural, namespace)
    assert owners(changed)[("pipeline", "Apply", "")] != owners(before)[("pipeline", "Apply", "")]
    if plural == "teams":
        assert [it["name"] for it in after["spec"]["bots"]] == ["b"]
    else:
        assert after["spec"] == after["spec"] | CHANGED[plural]


async def test_another_managers_apply_conflicts_with_the_owner_not_with_the_operator(
    api: Api, kubectl: Kubectl, namespace: str
) -> None:
    await apply(api, "ghosts", namespace, APPLIED["ghosts"], "pipeline")
    await through_the_trash(api, "ghosts", namespace)
    manifest = {
        "apiVersion": API_VERSION,
        "kind": "Ghost",
        "metadata": {"name": "x", "namespace": namespace},
        "spec": {"systemPrompt": "Mine."},
    }
    done = await kubectl.call("apply", "--server-side", "-f", "-", stdin=manifest)
    assert done.exit_code != 0
    assert 'conflict with "pipeline"' in done.stderr
    assert OPERATOR not in done.stderr


async def test_a_policy_that_refuses_it_does_not_hold_up_the_restore(
    api: Api, namespace: str
) -> None:
    await apply(api, "ghosts", namespace, APPLIED["ghosts"], "pipeline")
    await api.delete("ghosts", namespace, "x")
    async with refusing(api.client, namespace, "ghosts"):
        (tombstone,) = await api.list("tombstones", namespace)
        name = tombstone["metadata"]["name"]
        await api.merge("tombstones", namespace, name, {"spec": {"restore": True}})
        await api.gone("tombstones", namespace, name)
    assert await api.get("ghosts", namespace, "x") is not None
