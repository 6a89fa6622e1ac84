"""Conditions along the whole chain of references, and the number of writes for each change."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.api import Api, condition
from tests.support.audit import AuditLog
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.tasks import running
from tests.support.waiting import eventually
from tests.support.wegent import OPERATOR_USER
from wegent_crds.conditions import Reason
from wegent_crds.registry import GHOST as GHOST_KIND
from wegent_kube.event_series import Correlator, Story
from wegent_kube.resources import EVENTS
from wegent_operator.runtime.events import subject_of
from wegent_operator.state.conditions import rfc3339, status_patch, with_verdict
from wegent_operator.state.objects import state_of
from wegent_operator.state.verdict import Problem, verdict_of

pytestmark = pytest.mark.usefixtures("operator")

GHOST = {"systemPrompt": "You help."}
MODEL = {"provider": "openai", "model": "gpt-4"}
SHELL = {"type": "Chat"}
BOT = {"ghostRef": {"name": "g"}, "modelRef": {"name": "m"}, "shellRef": {"name": "s"}}
TEAM = {"bots": [{"name": "b"}]}
TASK = {"teamRef": {"name": "t"}, "prompt": "Do it."}
LEAVES: dict[str, tuple[str, dict[str, Any]]] = {
    "ghosts": ("g", GHOST),
    "models": ("m", MODEL),
    "shells": ("s", SHELL),
}
CHAIN: dict[str, tuple[str, dict[str, Any]]] = {
    "bots": ("b", BOT),
    "teams": ("t", TEAM),
    "tasks": ("k", TASK),
}
ALL = LEAVES | CHAIN


async def create(api: Api, namespace: str, *plurals: str) -> None:
    for plural in plurals:
        name, spec = ALL[plural]
        await api.create(plural, namespace, name, spec)


async def settled(api: Api, namespace: str, *plurals: str, reason: str = "Ready") -> None:
    for plural in plurals:
        await api.settled(plural, namespace, ALL[plural][0], reason)


def written(audit: AuditLog, namespace: str) -> list[str]:
    """The statuses that the operator wrote in the namespace; each write must have succeeded.

    Its other writes may only be Events, and moves of deleted objects to the trash.
    """
    writes = audit.writes(user=OPERATOR_USER, namespace=namespace)
    assert not [write for write in writes if write.code not in {200, 201}]
    deleted = {
        (write.resource, write.name)
        for write in audit.writes(namespace=namespace)
        if write.verb == "delete"
    }
    statuses = []
    for write in writes:
        if write.resource in {"events", "tombstones"}:
            continue
        if write.subresource == "status":
            statuses.append(f"{write.resource}/{write.name}")
        else:
            assert write.verb == "patch"
            assert (write.resource, write.name) in deleted, "only finalizers of what is deleted"
    return sorted(statuses)


async def test_referents_first(api: Api, namespace: str, audit: AuditLog) -> None:
    for plural in ALL:
        await create(api, namespace, plural)
        await settled(api, namespace, plural)
    once_each = ["bots/b", "ghosts/g", "models/m", "shells/s", "tasks/k", "teams/t"]
    assert written(audit, namespace) == once_each


async def test_referrers_first(api: Api, namespace: str, audit: AuditLog) -> None:
    await create(api, namespace, "tasks", "teams", "bots")
    await settled(api, namespace, "bots", reason="RefNotFound")
    await settled(api, namespace, "teams", "tasks", reason="RefNotReady")
    await create(api, namespace, *LEAVES)
    await settled(api, namespace, *ALL)
    writes = written(audit, namespace)
    assert writes.count("bots/b") <= 4, "one for each referent that came"
    # Their messages name the root cause, which changes with each referent that comes.
    assert writes.count("teams/t") <= 5
    assert writes.count("tasks/k") <= 6


async def test_a_task_names_the_root_cause_and_follows_it(
    api: Api, namespace: str, audit: AuditLog
) -> None:
    await create(api, namespace, "models", "shells", "bots", "teams", "tasks")
    skilled = GHOST | {"skillRefs": [{"name": "lint"}]}
    await api.create("ghosts", namespace, "g", skilled)
    way = (
        f"(in spec.skillRefs[0] of Ghost {namespace}/g, through spec.ghostRef of Bot {namespace}/b,"
        f" spec.bots[0] of Team {namespace}/t, spec.teamRef)"
    )
    await _said(api, namespace, f"Skill {namespace}/lint does not exist", way)
    before = written(audit, namespace)
    other = {"skillRefs": [{"name": "lint", "namespace": "elsewhere"}]}
    await api.merge("ghosts", namespace, "g", {"spec": other})
    await _said(api, namespace, "Skill elsewhere/lint does not allow references from", way)
    await settled(api, namespace, "ghosts", reason="RefNotPermitted")
    await settled(api, namespace, "bots", "teams", reason="RefNotReady")
    after = written(audit, namespace)
    for write in before:
        after.remove(write)
    assert sorted(after) == ["bots/b", "ghosts/g", "tasks/k", "teams/t"], "one write each"
    await api.create("skills", namespace, "lint", {"description": "Lints."})
    await api.merge("ghosts", namespace, "g", {"spec": {"skillRefs": [{"name": "lint"}]}})
    await settled(api, namespace, "ghosts", *CHAIN)


async def _said(api: Api, namespace: str, message: str, end: str) -> None:
    async def probe() -> bool:
        task = await api.get("tasks", namespace, "k")
        assert task is not None
        said = condition(task, "Ready")["message"]
        assert said.startswith(message), said
        assert said.endswith(end), said
        return True

    await eventually(probe, within_s=30, what=f"the Task to say {message}")


async def test_a_referent_goes_and_comes_back(api: Api, namespace: str, audit: AuditLog) -> None:
    await create(api, namespace, *ALL)
    await settled(api, namespace, *ALL)
    before = len(written(audit, namespace))
    await api.delete("ghosts", namespace, "g")
    await settled(api, namespace, "bots", reason="RefNotFound")
    await settled(api, namespace, "teams", "tasks", reason="RefNotReady")
    assert len(written(audit, namespace)) == before + 3, "Bot, Team and Task, once each"
    bot = await api.settled("bots", namespace, "b", "RefNotFound")
    assert condition(bot, "ResolvedRefs")["status"] == "False"
    assert "spec.ghostRef: Ghost" in condition(bot, "Ready")["message"]
    await create(api, namespace, "ghosts")
    await settled(api, namespace, *ALL)
    assert len(written(audit, namespace)) == before + 7, "and the Ghost's own"


async def test_only_what_referrers_see_concerns_them(
    api: Api, namespace: str, audit: AuditLog
) -> None:
    await create(api, namespace, *ALL)
    await settled(api, namespace, *ALL)
    before = written(audit, namespace)
    await api.merge("ghosts", namespace, "g", {"metadata": {"labels": {"a": "b"}}})
    await api.merge("ghosts", namespace, "g", {"spec": {"systemPrompt": "You help more."}})
    await settled(api, namespace, "ghosts")
    await api.merge("shells", namespace, "s", {"spec": {"supportedProviders": ["anthropic"]}})
    await settled(api, namespace, "bots", reason="ProviderNotSupported")
    await settled(api, namespace, "teams", "tasks", reason="RefNotReady")
    await settled(api, namespace, "shells")
    after = written(audit, namespace)
    for write in before:
        after.remove(write)
    assert sorted(after) == ["bots/b", "ghosts/g", "shells/s", "tasks/k", "teams/t"]


async def test_a_reference_is_changed(api: Api, namespace: str) -> None:
    await create(api, namespace, *LEAVES, "bots")
    await settled(api, namespace, "bots")
    await api.merge("bots", namespace, "b", {"spec": {"ghostRef": {"name": "other"}}})
    await settled(api, namespace, "bots", reason="RefNotFound")
    await api.create("ghosts", namespace, "other", GHOST)
    await settled(api, namespace, "bots")


async def test_two_items_for_one_bot_are_a_duplicate(api: Api, namespace: str) -> None:
    await create(api, namespace, "ghosts", "models", "shells", "bots")
    bot = {"name": "b"}
    twice = {"bots": [bot, {**bot, "namespace": namespace}]}
    await api.create("teams", namespace, "t", twice)
    await api.create("tasks", namespace, "k", {"teamRef": {"name": "t"}, "prompt": "p"})
    message = f"duplicate reference to Bot {namespace}/b, which is also at spec.bots"
    team = await api.settled("teams", namespace, "t", reason="DuplicateRef")
    assert message in team["status"]["conditions"][1]["message"]
    task = await api.settled("tasks", namespace, "k", reason="RefNotReady")
    assert message in task["status"]["conditions"][1]["message"]
    await api.merge("teams", namespace, "t", {"spec": {"bots": [bot]}})
    await api.settled("tasks", namespace, "k")


async def test_grants_and_namespace_labels(api: Api, namespace: str, audit: AuditLog) -> None:
    theirs = f"{namespace}-theirs"
    await api.create_namespace(theirs)
    await create(api, theirs, *LEAVES, "bots")
    team = {"bots": [{"name": "b", "namespace": theirs}]}
    await api.create("teams", namespace, "t", team)
    refused = await api.settled("teams", namespace, "t", "RefNotPermitted")
    assert condition(refused, "ResolvedRefs")["reason"] == "RefNotPermitted"
    access = {"accessFrom": {"namespaceSelectors": [{"matchLabels": {"team": "red"}}]}}
    await api.merge("bots", theirs, "b", {"spec": access})
    await settled(api, theirs, "bots")
    assert written(audit, namespace) == ["teams/t"], "the grant is for another label"
    await api.client.request(
        "PATCH",
        f"/api/v1/namespaces/{namespace}",
        body={"metadata": {"labels": {"team": "red"}}},
        content_type="application/merge-patch+json",
    )
    await settled(api, namespace, "teams")
    await api.merge("bots", theirs, "b", {"spec": {"accessFrom": None}})
    await settled(api, namespace, "teams", reason="RefNotPermitted")
    assert written(audit, namespace) == ["teams/t"] * 3


async def test_a_status_edited_by_hand_is_put_right_and_foreign_conditions_stay(
    api: Api, namespace: str
) -> None:
    await create(api, namespace, "ghosts")
    good = await api.settled("ghosts", namespace, "g")
    foreign = {
        "type": "Audited",
        "status": "True",
        "reason": "ByPlatform",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    lie = condition(good, "Ready") | {"status": "False", "reason": "Lie"}
    await api.merge("ghosts", namespace, "g", {"status": {"conditions": [foreign, lie]}}, "status")
    await settled(api, namespace, "ghosts")
    body = await api.get("ghosts", namespace, "g")
    assert body is not None
    assert condition(body, "Audited") == foreign
    assert condition(body, "ResolvedRefs")["status"] == "True"


async def events_of_bot(api: Api, namespace: str) -> list[dict[str, Any]]:
    """The Events of the Bot, in the order in which kubectl shows them."""
    listed = await api.client.request("GET", EVENTS.path(namespace))
    found = [it for it in listed["items"] if it["involvedObject"]["kind"] == "Bot"]
    return sorted(found, key=lambda event: (event["lastTimestamp"], event["eventTime"]))


async def test_what_got_worse_and_came_back_has_an_event(api: Api, namespace: str) -> None:
    await create(api, namespace, "bots")
    await settled(api, namespace, "bots", reason="RefNotFound")
    await create(api, namespace, *LEAVES)
    await settled(api, namespace, "bots")

    async def both() -> list[tuple[str, str, int]]:
        found = await events_of_bot(api, namespace)
        assert len(found) == 2, found
        return [(event["type"], event["reason"], event["count"]) for event in found]

    found: list[tuple[str, str, int]] = await eventually(both, within_s=30, what="both Events")
    assert found == [("Warning", "RefNotFound", 1), ("Normal", "Ready", 1)]


async def test_what_is_ready_from_the_beginning_has_no_event(
    api: Api, namespace: str, audit: AuditLog
) -> None:
    for plural in ALL:
        await create(api, namespace, plural)
        await settled(api, namespace, plural)
    await api.create("bots", namespace, "last", BOT | {"ghostRef": {"name": "none"}})

    async def told() -> list[str]:
        names = [
            write.name
            for write in audit.writes(user=OPERATOR_USER, namespace=namespace)
            if write.resource == "events"
        ]
        assert names
        return names

    names: list[str] = await eventually(told, within_s=30, what="the Event of the last Bot")
    assert [name for name in names if not name.startswith("last.")] == []


async def test_a_bot_that_flaps_has_one_event_for_each_story_and_describe_counts_them(
    api: Api, namespace: str, kubectl: Kubectl
) -> None:
    await create(api, namespace, *LEAVES, "bots")
    await settled(api, namespace, "bots")
    for _ in range(3):
        await api.delete("ghosts", namespace, "g")
        await settled(api, namespace, "bots", reason="RefNotFound")
        await create(api, namespace, "ghosts")
        await settled(api, namespace, "bots")

    async def counted() -> list[dict[str, Any]]:
        found = await events_of_bot(api, namespace)
        assert [(event["reason"], event["count"]) for event in found] == [
            ("RefNotFound", 3),
            ("Ready", 3),
        ], found
        return found

    for event in await eventually(counted, within_s=30, what="two Events of three stories each"):
        assert event["firstTimestamp"] <= event["lastTimestamp"]
        assert event["series"]["count"] == 3
    described = (await kubectl.call("describe", "bot", "b", "-n", namespace)).ok().stdout
    shown = [line for line in described.splitlines() if "wegent-operator" in line]
    assert ["(x3 over" in line for line in shown] == [True, True], described


async def test_a_task_that_runs_is_its_runners(api: Api, namespace: str, audit: AuditLog) -> None:
    await create(api, namespace, *ALL)
    await settled(api, namespace, *ALL)
    await api.merge("tasks", namespace, "k", {"status": running()}, "status")
    await api.delete("teams", namespace, "t")
    await create(api, namespace, "teams")
    await settled(api, namespace, "teams")
    task = await api.get("tasks", namespace, "k")
    assert task is not None
    assert condition(task, "Ready")["status"] == "True"
    assert written(audit, namespace).count("tasks/k") == 1


@pytest.mark.parametrize("character", ["x", "\u8bf4", "\U0001f600"])
async def test_the_longest_messages_are_taken(api: Api, namespace: str, character: str) -> None:
    await create(api, namespace, "ghosts")
    ghost = await api.settled("ghosts", namespace, "g")
    now = datetime.now(UTC)
    problem = Problem(Reason.REF_NOT_FOUND, character * 100_000)
    state = state_of(GHOST_KIND, ghost)
    told = with_verdict(state, verdict_of([], [problem]), rfc3339(now))
    await api.merge("ghosts", namespace, "g", status_patch(told), "status")
    story = Story("Reconcile", "Any", character * 100_000, normal=True)
    series = Correlator().correlate(subject_of(state), story, now)
    assert series
    await api.client.request(
        "POST", EVENTS.path(namespace), body=series.body("wegent-operator", "host" * 60)
    )


async def test_metrics_and_health_answer(operator: OperatorProcess) -> None:
    assert operator.get("/healthz") == (200, "ok\n")
    code, page = operator.get("/metrics")
    assert code == 200
    assert "wegent_operator_objects{" in page
    assert "wegent_operator_watch_starts_total" in page
