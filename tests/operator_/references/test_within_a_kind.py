"""References within a kind, which may form a cycle, and the condition Served, on a real cluster."""

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.operator_.references.test_conditions import create, settled, written
from tests.support.api import Api, condition
from tests.support.audit import AuditLog
from tests.support.operator import OperatorProcess
from tests.support.tasks import ended, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("operator")


def continued(previous: str) -> dict[str, Any]:
    return {"teamRef": {"name": "t"}, "prompt": "Go on.", "previousTaskRef": {"name": previous}}


async def finish(api: Api, namespace: str, name: str) -> None:
    await api.merge("tasks", namespace, name, {"status": running()}, "status")
    end = {"status": ended("Completed") | {"claim": None}}
    await api.merge("tasks", namespace, name, end, "status")


async def test_a_task_is_ready_when_the_previous_one_is_completed(
    api: Api, namespace: str, audit: AuditLog
) -> None:
    await create(api, namespace, "ghosts", "models", "shells", "bots", "teams")
    await settled(api, namespace, "teams")
    await api.create("tasks", namespace, "second", continued("k"))
    await api.settled("tasks", namespace, "second", "RefNotFound")
    await create(api, namespace, "tasks")
    await settled(api, namespace, "tasks")
    await api.settled("tasks", namespace, "second", "RefNotReady")
    await finish(api, namespace, "k")
    await api.settled("tasks", namespace, "second")
    writes = written(audit, namespace)
    assert writes.count("tasks/second") == 3, "one for each change of the verdict"
    assert writes.count("tasks/k") == 2, "its verdict and its end"


def reconciles(operator: OperatorProcess) -> float:
    """Return the number of reconciles so far."""
    _, page = operator.get("/metrics")
    families = text_string_to_metric_families(page)
    samples = (it for family in families for it in family.samples)
    return next(it.value for it in samples if it.name == "wegent_operator_reconciles_total")


async def test_tasks_that_name_each_other_are_left_alone(
    api: Api, namespace: str, audit: AuditLog, operator: OperatorProcess
) -> None:
    await create(api, namespace, "ghosts", "models", "shells", "bots", "teams")
    await settled(api, namespace, "teams")
    await api.create("tasks", namespace, "one", continued("other"))
    await api.create("tasks", namespace, "other", continued("one"))
    for name in ("one", "other"):
        await api.settled("tasks", namespace, name, "RefNotReady")
    before = reconciles(operator)
    await api.merge("teams", namespace, "t", {"metadata": {"labels": {"a": "b"}}})
    await api.merge("tasks", namespace, "one", {"spec": {"title": "One"}})
    await api.settled("tasks", namespace, "one", "RefNotReady")
    await api.create("ghosts", namespace, "later", {"systemPrompt": "You help."})
    await api.settled("ghosts", namespace, "later")
    assert reconciles(operator) - before < 20
    writes = written(audit, namespace)
    assert writes.count("tasks/one") <= 3, "missing, not ended, and its new generation"
    assert writes.count("tasks/other") == 1


async def test_models_that_fall_back_to_each_other_are_ready(
    api: Api, namespace: str, audit: AuditLog
) -> None:
    spec = {"provider": "openai", "model": "gpt-4"}
    await create(api, namespace, "ghosts", "shells", "bots")
    await api.create("models", namespace, "m", spec | {"fallbackRefs": [{"name": "n"}]})
    await api.settled("models", namespace, "m", "RefNotFound")
    await settled(api, namespace, "bots", reason="RefNotReady")
    await api.create("models", namespace, "n", spec | {"fallbackRefs": [{"name": "m"}]})
    for name in ("m", "n"):
        await api.settled("models", namespace, name)
    await settled(api, namespace, "bots")
    writes = written(audit, namespace)
    assert [writes.count(f"models/{name}") for name in ("m", "n")] == [2, 1]
    await api.delete("models", namespace, "n")
    await api.settled("models", namespace, "m", "RefNotFound")
    await settled(api, namespace, "bots", reason="RefNotReady")


async def test_a_shell_that_no_runner_serves_is_told_and_costs_no_write_more(
    api: Api, namespace: str, audit: AuditLog
) -> None:
    await create(api, namespace, "ghosts", "models")
    await api.create("shells", namespace, "s", {"type": "ClaudeCode"})
    for plural in ("bots", "teams", "tasks"):
        await create(api, namespace, plural)
        await settled(api, namespace, plural)
    once_each = ["bots/b", "ghosts/g", "models/m", "shells/s", "tasks/k", "teams/t"]
    assert written(audit, namespace) == once_each
    task = await api.get("tasks", namespace, "k")
    assert task is not None
    assert condition(task, "Ready")["status"] == "True"
    served = condition(task, "Served")
    assert (served["status"], served["reason"]) == ("False", "ShellNotServed")
    assert served["message"] == (
        "no runner serves Shells of the type ClaudeCode (in spec.shellRef of Bot"
        f" {namespace}/b, through spec.bots[0] of Team {namespace}/t, spec.teamRef)"
    )
    await api.merge("shells", namespace, "s", {"spec": {"type": "Chat"}})

    async def probe() -> bool:
        body = await api.get("tasks", namespace, "k")
        assert body is not None
        assert condition(body, "Served")["status"] == "True", condition(body, "Served")
        return True

    await eventually(probe, within_s=30, what="the Task to be served")
    after = written(audit, namespace)
    assert sorted(after) == sorted([*once_each, "bots/b", "shells/s", "tasks/k", "teams/t"])
