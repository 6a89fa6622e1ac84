"""Writes that third parties refuse are tried again, counted, and reported on the object."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.operator_.tasks.watching import in_phase
from tests.operator_.trash.obstacles import event_of, hangs, poke
from tests.support.api import VERDICT_WITHIN_S, Api, condition
from tests.support.audit import AuditLog
from tests.support.operator import OperatorProcess
from tests.support.policies import FINALIZERS_STAY, no_room_for, put_quota, refusing
from tests.support.tasks import ended, running
from tests.support.waiting import eventually
from tests.support.wegent import OPERATOR_USER
from wegent_crds.well_known import TRASH_FINALIZER

pytestmark = pytest.mark.usefixtures("operator")

GHOST = {"systemPrompt": "You help."}
TASK = {"botRef": {"name": "b"}, "prompt": "Do it."}
SPECS: dict[str, dict[str, Any]] = {
    "ghosts": GHOST,
    "models": {"provider": "openai", "model": "gpt-4"},
    "shells": {"type": "Chat"},
    "skills": {"description": "Reviews a diff"},
    "tasks": TASK,
}


async def restored(api: Api, namespace: str, count: int = 1) -> None:
    """Restore all that is in the trash."""
    found = await api.list("tombstones", namespace)
    assert len(found) == count
    for tombstone in found:
        name = tombstone["metadata"]["name"]
        await api.merge("tombstones", namespace, name, {"spec": {"restore": True}})


def refusals(operator: OperatorProcess, kind: str, step: str) -> float:
    """Read the operator's metric."""
    name = f'wegent_operator_refusals_total{{kind="{kind}",step="{step}"}}'
    found = re.search(rf"^{re.escape(name)} (\S+)$", operator.get("/metrics")[1], re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.mark.parametrize("reason", [None, "Forbidden", "RequestEntityTooLarge"])
async def test_a_policy_keeps_the_finalizer_on(
    api: Api, namespace: str, operator: OperatorProcess, reason: str | None
) -> None:
    before = refusals(operator, "Ghost", "remove_finalizer")
    await api.create("ghosts", namespace, "g", GHOST)
    await api.settled("ghosts", namespace, "g")
    async with refusing(api.client, namespace, "ghosts", expression=FINALIZERS_STAY, reason=reason):
        await api.ask_to_delete("ghosts", namespace, "g")
        message = await hangs(api, "ghosts", namespace, "g")
        assert "the house rules forbid it" in message
        assert TRASH_FINALIZER in message
        assert "bypass" in message, "the way out"
        told = await event_of(api, namespace, "g", "DeletionBlocked")
        assert told["type"] == "Warning"
        await poke(api, "ghosts", namespace, "g")

        async def tried_again() -> bool:
            count = refusals(operator, "Ghost", "remove_finalizer")
            assert count >= before + 2, count
            return True

        await eventually(tried_again, within_s=VERDICT_WITHIN_S, what="more than one try")
    # Without an event: by its own delay.
    await api.gone("ghosts", namespace, "g")
    (tombstone,) = await api.list("tombstones", namespace)
    kept = tombstone["spec"]["object"]
    assert kept["metadata"]["annotations"]["poked"] == "yes"
    assert "Deleted" not in {it["type"] for it in kept["status"]["conditions"]}


@pytest.mark.parametrize("plural", SPECS)
async def test_a_quota_has_no_room_for_the_tombstone(
    api: Api, namespace: str, audit: AuditLog, plural: str
) -> None:
    await api.create(plural, namespace, "x", SPECS[plural])
    async with no_room_for(api.client, namespace, "tombstones"):
        await api.ask_to_delete(plural, namespace, "x")
        message = await hangs(api, plural, namespace, "x")
        assert "quota" in message
        assert "Tombstone" in message
        assert "bypass" in message
    await poke(api, plural, namespace, "x")
    await api.gone(plural, namespace, "x")
    statuses = [
        write
        for write in audit.writes(user=OPERATOR_USER, namespace=namespace)
        if write.resource == plural and write.subresource == "status"
    ]
    assert len(statuses) <= 3, "a verdict at most, and one write for each change of the words"


async def test_a_quota_that_comes_after_the_tombstone_holds_nothing_up(
    api: Api, namespace: str
) -> None:
    await api.create("ghosts", namespace, "g", GHOST)
    async with refusing(api.client, namespace, "ghosts", expression=FINALIZERS_STAY):
        await api.ask_to_delete("ghosts", namespace, "g")
        await hangs(api, "ghosts", namespace, "g")
        await put_quota(api.client, namespace, "tombstones")
    await poke(api, "ghosts", namespace, "g")
    await api.gone("ghosts", namespace, "g")
    (tombstone,) = await api.list("tombstones", namespace)
    assert tombstone["spec"]["object"]["metadata"]["annotations"]["poked"] == "yes"


async def test_nothing_of_the_object_may_be_written_and_an_event_says_so(
    api: Api, namespace: str
) -> None:
    await api.create("ghosts", namespace, "g", GHOST)
    await api.settled("ghosts", namespace, "g")
    async with refusing(api.client, namespace, "ghosts", "ghosts/status"):
        await api.ask_to_delete("ghosts", namespace, "g")
        told = await event_of(api, namespace, "g", "DeletionBlocked")
        assert "the house rules forbid it" in told["message"]
    await poke(api, "ghosts", namespace, "g")
    await api.gone("ghosts", namespace, "g")


async def test_a_status_may_not_be_written(api: Api, namespace: str) -> None:
    async with refusing(api.client, namespace, "ghosts/status"):
        await api.create("ghosts", namespace, "g", GHOST)
        told = await event_of(api, namespace, "g", "StatusNotWritten")
        assert "the house rules forbid it" in told["message"]
    await poke(api, "ghosts", namespace, "g")
    await api.settled("ghosts", namespace, "g")


async def test_an_object_that_the_trash_may_not_hold_is_still_reconciled(
    api: Api, namespace: str
) -> None:
    held = await api.create("ghosts", namespace, "g", GHOST)
    await api.settled("ghosts", namespace, "g")
    adding = f"!('{TRASH_FINALIZER}' in object.metadata.?finalizers.orValue([]))"
    async with refusing(api.client, namespace, "ghosts", expression=adding):
        off = {"metadata": {"finalizers": None}, "spec": {"systemPrompt": "You help more."}}
        await api.merge("ghosts", namespace, held["metadata"]["name"], off)
        told = await event_of(api, namespace, "g", "NotProtected")
        assert "the house rules forbid it" in told["message"]
        await api.settled("ghosts", namespace, "g")
    await poke(api, "ghosts", namespace, "g")

    async def protected() -> bool:
        body = await api.get("ghosts", namespace, "g")
        assert body is not None
        return TRASH_FINALIZER in body["metadata"].get("finalizers", [])

    await eventually(protected, within_s=VERDICT_WITHIN_S, what="the finalizer to be on")


@pytest.mark.parametrize("operation", ["UPDATE", "DELETE"])
async def test_a_task_may_not_be_collected(api: Api, namespace: str, operation: str) -> None:
    await finished(api, namespace, ttlSecondsAfterFinished=3600)
    expression = FINALIZERS_STAY if operation == "UPDATE" else "false"
    async with refusing(
        api.client, namespace, "tasks", operations=[operation], expression=expression
    ):
        await api.merge("tasks", namespace, "t", {"spec": {"ttlSecondsAfterFinished": 1}})
        message = await hangs(api, "tasks", namespace, "t")
        assert message.startswith("spec.ttlSecondsAfterFinished")
        await event_of(api, namespace, "t", "DeletionBlocked")
        # Not wanted any more: nor is the condition.
        await api.merge("tasks", namespace, "t", {"spec": {"ttlSecondsAfterFinished": 3600}})

        async def cleared() -> bool:
            body = await api.get("tasks", namespace, "t")
            assert body is not None
            assert "Deleted" not in {it["type"] for it in body["status"]["conditions"]}, body
            return True

        await eventually(cleared, within_s=VERDICT_WITHIN_S, what="the condition to be gone")
    await api.merge("tasks", namespace, "t", {"spec": {"ttlSecondsAfterFinished": 1}})
    await api.gone("tasks", namespace, "t")
    assert not await api.list("tombstones", namespace)


async def test_a_finished_task_that_hung_comes_back_with_its_own_conditions(
    api: Api, namespace: str
) -> None:
    before = await finished(api, namespace)
    async with refusing(api.client, namespace, "tasks", expression=FINALIZERS_STAY):
        await api.ask_to_delete("tasks", namespace, "t")
        await hangs(api, "tasks", namespace, "t")
    await poke(api, "tasks", namespace, "t")
    await api.gone("tasks", namespace, "t")
    await restored(api, namespace)

    async def back() -> bool:
        assert not await api.list("tombstones", namespace)
        return True

    await eventually(back, within_s=VERDICT_WITHIN_S, what="the Task to be back")
    after = await api.get("tasks", namespace, "t")
    assert after is not None
    types = {it["type"]: it["status"] for it in before["status"]["conditions"]}
    assert {it["type"]: it["status"] for it in after["status"]["conditions"]} == types
    assert after["status"]["result"] == "Done."


@pytest.mark.parametrize("reason", [None, "RequestEntityTooLarge"])
async def test_an_object_may_not_come_back(api: Api, namespace: str, reason: str | None) -> None:
    await api.create("ghosts", namespace, "g", GHOST)
    await api.delete("ghosts", namespace, "g")
    (tombstone,) = await api.list("tombstones", namespace)
    name = tombstone["metadata"]["name"]
    async with refusing(api.client, namespace, "ghosts", operations=["CREATE"], reason=reason):
        await restored(api, namespace)
        refused = await api.settled("tombstones", namespace, name, "NotRestored")
        assert "the house rules forbid it" in condition(refused, "Ready")["message"]
    await api.settled("ghosts", namespace, "g")


async def test_a_tombstone_that_may_not_be_deleted_brings_nothing_back_twice(
    api: Api, namespace: str
) -> None:
    await api.create("ghosts", namespace, "g", GHOST)
    await api.delete("ghosts", namespace, "g")
    (tombstone,) = await api.list("tombstones", namespace)
    name = tombstone["metadata"]["name"]
    async with refusing(api.client, namespace, "tombstones", operations=["DELETE"]):
        await restored(api, namespace)
        await api.settled("ghosts", namespace, "g")
        message = await hangs(api, "tombstones", namespace, name)
        assert "the house rules forbid it" in message
        await event_of(api, namespace, name, "DeletionBlocked")
        await api.delete("ghosts", namespace, "g")
        await poke(api, "tombstones", namespace, name)
        await api.create("ghosts", namespace, "later", GHOST)
        await api.settled("ghosts", namespace, "later")
        assert await api.get("ghosts", namespace, "g") is None
    await poke(api, "tombstones", namespace, name)
    await api.gone("tombstones", namespace, name)
    assert await api.get("ghosts", namespace, "g") is None


async def test_a_namespace_goes_and_a_policy_keeps_what_is_in_it(api: Api, namespace: str) -> None:
    await api.create("ghosts", namespace, "g", GHOST)
    await api.settled("ghosts", namespace, "g")
    async with refusing(api.client, namespace, "ghosts", expression=FINALIZERS_STAY):
        await api.client.request("DELETE", f"/api/v1/namespaces/{namespace}")
        message = await hangs(api, "ghosts", namespace, "g")
        assert "the house rules forbid it" in message
    await api.gone("ghosts", namespace, "g")


async def finished(api: Api, namespace: str, **spec: Any) -> dict[str, Any]:
    """Return a Task that was done just now."""
    await api.create("ghosts", namespace, "g", GHOST)
    for plural in ("models", "shells"):
        await api.create(plural, namespace, plural[0], SPECS[plural])
    references = {"ghostRef": {"name": "g"}, "modelRef": {"name": "m"}, "shellRef": {"name": "s"}}
    await api.create("bots", namespace, "b", references)
    await api.create("tasks", namespace, "t", TASK | spec)
    await api.settled("tasks", namespace, "t")
    await api.merge("tasks", namespace, "t", {"status": running()}, "status")
    now = (datetime.now(UTC) - timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    done = ended("Completed", completionTime=now) | {"claim": None}
    await api.merge("tasks", namespace, "t", {"status": done}, "status")
    return await in_phase(api, namespace, "Completed")
