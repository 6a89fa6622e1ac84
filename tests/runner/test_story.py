"""``kubectl describe task`` tells the story of a run in Events, without prompts and answers."""

import asyncio
import json
from typing import Any

import pytest

from tests.runner.conftest import MakeTask
from tests.support.api import Api
from tests.support.provider import Call, Provider, Script
from tests.support.waiting import eventually
from wegent_kube.resources import EVENTS

pytestmark = pytest.mark.usefixtures("operator", "runner")

QUESTION = "a question of nobody's business"
ANSWER = "an answer of nobody's business"
MOST = 6
"""Events that one Task of these has at most."""
LONG = Script(pieces=[f"{ANSWER} "] * 600, pause_s=0.05)
BROKEN = Script(status=500, body={"error": {"message": "broken"}})


def script(call: Call) -> Script:
    """Answer by the last word of the prompt, and by the Model."""
    word = call.messages[-1][1].rsplit(" ", 1)[1]
    if word == "fallback" and call.body["model"] == "gpt-4":
        return Script(status=400, body={"error": {"message": "no such parameter"}})
    return {"long": LONG, "broken": BROKEN}.get(word, Script(pieces=[ANSWER]))


@pytest.fixture
async def second(api: Api, namespace: str, provider: Provider, bot: str) -> None:
    """A second Model to fall back to."""
    provider.script = script
    spec = {"provider": "openai", "model": "second", "baseUrl": provider.url}
    await api.create("models", namespace, "second", {**spec, "allowInsecureBaseUrl": True})
    await api.merge("models", namespace, "m", {"spec": {"fallbackRefs": [{"name": "second"}]}})
    await api.settled("models", namespace, "m")
    await api.settled("bots", namespace, bot)


@pytest.mark.usefixtures("second")
async def test_each_way_of_a_run_is_told(
    api: Api, namespace: str, provider: Provider, make_task: MakeTask, ended: MakeTask
) -> None:
    ways: dict[str, tuple[dict[str, Any], str, list[str]]] = {
        "whole": ({}, "Completed", ["Started", "Completed"]),
        "fallback": ({}, "Completed", ["Started", "FellBack", "Completed"]),
        "cancelled": ({"prompt": "long"}, "Cancelled", ["Started", "Cancelled"]),
        "late": ({"prompt": "long", "timeoutSeconds": 3}, "Failed", ["Started", "Failed"]),
        "broken": ({}, "Failed", ["Started", "Retrying", "FellBack", "Failed"]),
    }
    for name, (spec, _, _) in ways.items():
        word = spec.get("prompt", name)
        await make_task(name, **{**spec, "prompt": f"{QUESTION} {word}"})
    await eventually(lambda: len(provider.calls) >= len(ways), within_s=30, what="the calls")
    await asyncio.sleep(0.5)
    await api.merge("tasks", namespace, "cancelled", {"spec": {"cancel": True}})
    tasks = {name: await ended(name) for name in ways}
    assert {name: task["status"]["phase"] for name, task in tasks.items()} == {
        name: phase for name, (_, phase, _) in ways.items()
    }

    async def told() -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        for name, (_, _, reasons) in ways.items():
            found = await api.client.request("GET", EVENTS.path(namespace))
            of_task = [it for it in found["items"] if it["involvedObject"]["name"] == name]
            of_task.sort(key=lambda it: it["firstTimestamp"] + it["eventTime"])
            assert list(dict.fromkeys(it["reason"] for it in of_task)) == reasons, name
            assert len(of_task) <= MOST
            events += of_task
        return events

    events = await eventually(told, within_s=30, what="the Events")
    assert QUESTION not in json.dumps(events)
    assert ANSWER not in json.dumps(events)
    notes = {(it["involvedObject"]["name"], it["reason"]): it["message"] for it in events}
    assert "no such parameter" in notes["fallback", "FellBack"]
    assert notes["fallback", "FellBack"].endswith(f"calling Model {namespace}/second")
    assert notes["cancelled", "Cancelled"] == "The Task was cancelled."
    assert notes["late", "Failed"] == "Not completed within spec.timeoutSeconds: 3 s"
    assert notes["broken", "Failed"] == tasks["broken"]["status"]["message"]
    assert "(HTTP 500): broken" in notes["broken", "Failed"]
    warned = {it["reason"] for it in events if it["type"] == "Warning"}
    assert warned == {"Retrying", "FellBack", "Failed"}
