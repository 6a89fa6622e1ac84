"""Conditions through the whole chain, in both directions of time, and what each change costs."""

from typing import Any

import pytest

from tests.support.api import Api, condition
from tests.support.audit import AuditLog
from tests.support.operator import OperatorProcess
from tests.support.tasks import running
from tests.support.waiting import eventually
from tests.support.wegent import OPERATOR_USER

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

    Beside them it may only have posted Events and carried what was deleted into the trash.
    """
    writes = audit.writes(user=OPERATOR_USER, namespace=namespace)
    assert {write.code for write in writes} <= {200, 201}
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
    assert (writes.count("teams/t"), writes.count("tasks/k")) <= (3, 3)


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


async def test_each_transition_has_an_event(api: Api, namespace: str) -> None:
    await create(api, namespace, "bots")
    await settled(api, namespace, "bots", reason="RefNotFound")
    await create(api, namespace, *LEAVES)
    await settled(api, namespace, "bots")

    async def reasons() -> list[tuple[str, str]]:
        listed = await api.client.request(
            "GET", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
        )
        found = [
            (event["type"], event["reason"])
            for event in sorted(listed["items"], key=lambda event: event["eventTime"])
            if event["regarding"]["kind"] == "Bot"
        ]
        assert len(found) == 2, found
        return found

    found: list[tuple[str, str]] = await eventually(
        reasons, within_s=10, what="both events of the Bot"
    )
    assert found == [("Warning", "RefNotFound"), ("Normal", "Ready")]


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


async def test_metrics_and_health_answer(operator: OperatorProcess) -> None:
    assert operator.get("/healthz") == (200, "ok\n")
    code, page = operator.get("/metrics")
    assert code == 200
    assert "wegent_operator_objects{" in page
    assert "wegent_operator_watch_starts_total" in page
