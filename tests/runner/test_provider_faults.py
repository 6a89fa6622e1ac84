"""A provider that is gone, slow, cut, garbled or unwilling: the Task's end says what happened."""

import asyncio
import json
import time
from typing import Any

import pytest

from tests.runner.conftest import MakeTask
from tests.support.api import Api
from tests.support.provider import Call, Provider, Script
from tests.support.proxy import Client
from tests.support.waiting import eventually
from wegent_crds.kinds.task_status import RESULT_MAX_CHARACTERS
from wegent_kube.resources import EVENTS
from wegent_runner.claims.outcome import CUT

pytestmark = pytest.mark.usefixtures("operator", "runner")


@pytest.fixture
def runner_settings() -> dict[str, Any]:
    return {"provider_silence_s": 1.0}


def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return b"data: " + json.dumps({**body, "choices": [choice]}).encode() + b"\n\n"


TOOL_CALL = chunk(
    {
        "tool_calls": [
            {"index": 0, "id": "1", "type": "function", "function": {"name": "rm", "arguments": ""}}
        ]
    }
) + chunk({}, "tool_calls")


async def events_of(api: Api, namespace: str, name: str = "t") -> list[tuple[str, str]]:
    """Return reason and message of the Events on a Task, those of its runner alone."""
    found = await api.client.request("GET", EVENTS.path(namespace))
    return [
        (it["reason"], it["message"])
        for it in found["items"]
        if it["involvedObject"]["name"] == name and it["reportingComponent"] == "wegent-runner"
    ]


@pytest.mark.parametrize(
    "fault",
    [
        Script(hang_after=0),
        Script(hang_after=2),
        Script(raw=chunk({"content": "Hel"}) + b'data: {"id": "c", "obj', cut=True),
        Script(raw=chunk({"content": "Hel"}) + b'data: {"id": "c", "obj'),
        Script(raw=b"<html>502</html>"),
        Script(raw=b"\x00\xff\xfe" * 1000),
        Script(raw=b""),
        Script(status=503, body={"error": {"message": "down"}}),
        Script(status=529, body={"error": {"message": "overloaded"}}),
        Script(status=500, body={"error": {"message": "oops"}}),
        Script(pieces=()),
        Script(pieces=("", " \n")),
        Script(raw=TOOL_CALL),
    ],
    ids=[
        "silent", "silent after text", "cut in a chunk", "ended in a chunk", "html", "garbage",
        "no bytes", "503", "529", "500", "empty", "blank", "tool call",
    ],
)  # fmt: skip
async def test_a_fault_that_passes_costs_one_more_call(
    provider: Provider, make_task: MakeTask, ended: MakeTask, fault: Script
) -> None:
    provider.script = lambda _: fault if len(provider.calls) == 1 else Script()
    await make_task()
    status = (await ended())["status"]
    assert status["phase"] == "Completed", status
    assert status["result"] == "Hello, world."
    assert len(provider.calls) == 2


@pytest.mark.parametrize(
    ("fault", "told", "calls"),
    [
        (Script(pieces=()), "the provider's answer is empty", 2),
        (
            Script(pieces=(), finish_reason="length"),
            "reached the maximum of tokens (spec.maxTokens) before any text",
            1,
        ),
        (Script(raw=TOOL_CALL), "the LLM called the tool 'rm', but was offered none", 2),
        (
            Script(status=400, body={"error": {"message": "temperature: too hot"}}),
            "temperature: too hot",
            1,
        ),
        (Script(status=404, body={"error": {"message": "no such model"}}), "no such model", 1),
    ],
    ids=["empty", "length", "tool call", "400", "404"],
)
async def test_a_fault_that_stays_fails_the_task_with_its_cause(
    provider: Provider,
    make_task: MakeTask,
    ended: MakeTask,
    fault: Script,
    told: str,
    calls: int,
) -> None:
    provider.script = lambda _: fault
    await make_task()
    status = (await ended())["status"]
    assert status["phase"] == "Failed", status
    assert told in status["message"]
    assert len(provider.calls) == calls


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("tokens", ["1.5", "1e30", "1" + "0" * 30])
async def test_a_number_of_tokens_that_is_none_costs_no_answer(
    provider: Provider, make_task: MakeTask, ended: MakeTask, tokens: str
) -> None:
    usage = f'{{"prompt_tokens": {tokens}, "completion_tokens": {tokens}, "total_tokens": 1}}'
    last = f'data: {{"id": "c", "model": "m", "choices": [], "usage": {usage}}}\n\n'.encode()
    raw = chunk({"content": "Hello."}) + chunk({}, "stop") + last + b"data: [DONE]\n\n"
    provider.script = lambda _: Script(raw=raw)
    await make_task()
    status = (await ended())["status"]
    assert (status["phase"], status["result"]) == ("Completed", "Hello."), status
    assert status["attempts"] == 1
    assert len(provider.calls) == 1


async def test_a_provider_that_is_gone_fails_the_task_after_four_calls(
    api: Api, namespace: str, provider: Provider, make_task: MakeTask, ended: MakeTask
) -> None:
    await provider.__aexit__()
    await make_task()
    task = await ended()
    assert task["status"]["phase"] == "Failed"
    assert "the connection to the provider failed" in task["status"]["message"]

    async def story() -> list[str]:
        told = [reason for reason, _ in await events_of(api, namespace)]
        assert "Failed" in told, told
        return told

    told = await eventually(story, within_s=30, what="the Events of a failed Task")
    assert set(told) == {"Started", "Retrying", "Failed"}
    assert 1 <= told.count("Retrying") <= 3


async def test_retry_after_is_kept_and_told(
    api: Api, namespace: str, provider: Provider, make_task: MakeTask, ended: MakeTask
) -> None:
    times: list[float] = []

    def script(_: Call) -> Script:
        times.append(time.monotonic())
        slow = Script(
            status=429, headers={"Retry-After": "3"}, body={"error": {"message": "slow down"}}
        )
        return slow if len(times) == 1 else Script()

    provider.script = script
    await make_task()
    assert (await ended())["status"]["phase"] == "Completed"
    assert 3 <= times[1] - times[0] < 5

    async def story() -> dict[str, str]:
        told = dict(await events_of(api, namespace))
        assert {"Started", "Retrying", "Completed"} <= told.keys(), told
        return told

    told = await eventually(story, within_s=30, what="the Events of a retried Task")
    assert "rate limit" in told["Retrying"]
    assert "slow down" in told["Retrying"]


async def test_an_answer_longer_than_the_status_is_whole_in_the_transcript(
    client: Client, namespace: str, provider: Provider, make_task: MakeTask, ended: MakeTask
) -> None:
    pieces = ["x" * 1000] * (RESULT_MAX_CHARACTERS // 1000 + 10)
    provider.script = lambda _: Script(pieces=pieces)
    await make_task()
    status = (await ended())["status"]
    assert status["phase"] == "Completed", status
    assert len(status["result"]) == RESULT_MAX_CHARACTERS
    assert status["result"].endswith(CUT)
    url = f"/api/v1/kinds/tasks/t/transcript?namespace={namespace}"
    transcript = (await client.get(url)).expect(200)
    assert transcript["items"][1]["content"][0]["text"] == "".join(pieces)


async def test_a_providers_words_are_told_without_nul_and_surrogates(
    provider: Provider, make_task: MakeTask, ended: MakeTask
) -> None:
    provider.script = lambda _: Script(status=400, body={"error": {"message": "no\x00 \ud83d!"}})
    await make_task()
    status = (await ended())["status"]
    assert status["phase"] == "Failed"
    assert "no� �!" in status["message"]


async def test_nul_and_half_of_a_surrogate_pair_are_replaced_everywhere(
    client: Client, namespace: str, provider: Provider, make_task: MakeTask, ended: MakeTask
) -> None:
    provider.script = lambda _: Script(pieces=["a\x00b", "c\ud83d", "d"])
    await make_task()
    status = (await ended())["status"]
    assert status["result"] == "a�bc�d"
    url = f"/api/v1/kinds/tasks/t/transcript?namespace={namespace}"
    transcript = (await client.get(url)).expect(200)
    assert transcript["items"][1]["content"][0]["text"] == "a�bc�d"


async def test_a_deleted_task_lets_go_of_its_provider(
    api: Api, namespace: str, provider: Provider, make_task: MakeTask
) -> None:
    provider.script = lambda _: Script(pieces=["word "] * 600, pause_s=0.05)
    await make_task()
    await eventually(lambda: provider.calls, within_s=30, what="a call")
    await asyncio.sleep(0.3)
    deleted_at = time.monotonic()
    await api.ask_to_delete("tasks", namespace, "t")
    call = provider.calls[0]
    await eventually(lambda: call.ended_at, within_s=30, what="the connection to be closed")
    assert call.ended_at is not None
    assert call.ended_at - deleted_at < 2
    assert not call.whole
    assert len(provider.calls) == 1


async def test_a_timed_out_task_lets_go_of_its_provider_and_keeps_its_text_and_usage(
    provider: Provider, make_task: MakeTask, ended: MakeTask
) -> None:
    provider.script = lambda _: Script(pieces=["word "] * 600, pause_s=0.05)
    await make_task(timeoutSeconds=5)
    status = (await ended())["status"]
    assert status["phase"] == "Failed"
    assert status["message"] == "Not completed within spec.timeoutSeconds: 5 s"
    assert status["result"].startswith("word word")
    assert status["usage"]["modelRequests"] == 1
    call = provider.calls[0]
    await eventually(lambda: call.ended_at, within_s=30, what="the connection to be closed")
    assert not call.whole
    assert len(provider.calls) == 1


async def test_a_deleted_namespace_lets_go_of_its_provider(
    api: Api, namespace: str, provider: Provider, make_task: MakeTask
) -> None:
    provider.script = lambda _: Script(pieces=["word "] * 600, pause_s=0.05)
    await make_task()
    await eventually(lambda: provider.calls, within_s=30, what="a call")
    await asyncio.sleep(0.3)
    await api.client.request("DELETE", f"/api/v1/namespaces/{namespace}")
    await api.ask_to_delete("tasks", namespace, "t")  # no controller deletes it here
    call = provider.calls[0]
    await eventually(lambda: call.ended_at, within_s=30, what="the connection to be closed")
    assert not call.whole
    assert len(provider.calls) == 1
