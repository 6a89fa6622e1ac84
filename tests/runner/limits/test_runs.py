"""Limits of Tasks that run: on a real API server, with a scripted provider."""

import asyncio

import pytest

from tests.runner.conftest import MakeTask
from tests.support.api import Api
from tests.support.provider import Call, Provider, Script
from tests.support.waiting import eventually
from wegent_crds.well_known import REQUESTS_PER_MINUTE, TOKENS_PER_DAY
from wegent_kube.content_types import MERGE_PATCH
from wegent_kube.resources import NAMESPACES

pytestmark = pytest.mark.usefixtures("operator", "runner")


async def annotate(api: Api, namespace: str, name: str, value: str) -> None:
    body = {"metadata": {"annotations": {name: value}}}
    path = NAMESPACES.path(name=namespace)
    await api.client.request("PATCH", path, body=body, content_type=MERGE_PATCH)


def at_once(calls: list[Call]) -> int:
    """Return the largest number of calls that were being made at the same time."""
    return max(
        sum(it.began_at <= call.began_at < (it.ended_at or call.began_at + 1) for it in calls)
        for call in calls
    )


async def test_tasks_wait_for_a_busy_model(
    provider: Provider, api: Api, namespace: str, make_task: MakeTask, ended: MakeTask
) -> None:
    spec = {"spec": {"maxConcurrentRequests": 2}}
    await api.merge("models", namespace, "m", spec)
    await api.settled("models", namespace, "m")
    await api.settled("bots", namespace, "b")
    provider.script = lambda _: Script(["a", "b", "c"], pause_s=0.7)
    names = [f"t{number}" for number in range(6)]
    await asyncio.gather(*map(make_task, names))
    for name in names:
        assert (await ended(name))["status"]["phase"] == "Completed"
    assert len(provider.calls) == 6
    assert at_once(provider.calls) == 2

    async def told() -> bool:
        events = await api.client.request("GET", f"/api/v1/namespaces/{namespace}/events")
        waits = [it["message"] for it in events["items"] if it["reason"] == "Throttled"]
        assert any("of which 2 may be made at once" in told for told in waits), waits
        return True

    await eventually(told, within_s=30, what="the Event of a Task that waits")


async def test_a_namespace_whose_tokens_are_used_up(
    provider: Provider, api: Api, namespace: str, make_task: MakeTask, ended: MakeTask
) -> None:
    await annotate(api, namespace, TOKENS_PER_DAY, "1")
    await make_task("first")
    assert (await ended("first"))["status"]["phase"] == "Completed", "one call may exceed it"
    await make_task("second")
    status = (await ended("second"))["status"]
    assert status["phase"] == "Failed"
    assert status["message"].startswith(
        f"NamespaceQuotaExceeded: namespace {namespace} has used "
    ), status
    assert len(provider.calls) == 1
    assert status["usage"]["modelRequests"] == 0


async def test_an_annotation_that_can_not_be_read(
    provider: Provider, api: Api, namespace: str, make_task: MakeTask, ended: MakeTask
) -> None:
    await annotate(api, namespace, REQUESTS_PER_MINUTE, "many")
    await make_task()
    status = (await ended())["status"]
    assert status["phase"] == "Failed"
    assert "must be a whole number from 1 to 1000000, or none, and is 'many'" in status["message"]
    assert not provider.calls
