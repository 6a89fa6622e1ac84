"""Chunks of chat completions: built faster than the SDK does it, and the same."""

from typing import Any

import httpx2
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk
from pydantic_ai.direct import model_request
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelRequest

from tests.support.provider import Provider
from wegent_runner.engine.providers import FastOpenAI, model_of
from wegent_runner.plan.plan import ModelPlan

FRAME = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
TOOL = {"index": 0, "id": "t", "type": "function", "function": {"name": "f", "arguments": "{"}}


def choice(delta: Any, reason: Any = None, **more: Any) -> dict[str, Any]:
    return {**FRAME, "choices": [{"index": 0, "delta": delta, "finish_reason": reason, **more}]}


VALID = {
    "text": choice({"content": "Hi"}),
    "first": choice({"role": "assistant", "content": ""}),
    "end": choice({}, "stop"),
    "without an end": {**FRAME, "choices": [{"index": 0, "delta": {"content": "Hi"}}]},
    "tool call": choice({"tool_calls": [TOOL]}, "tool_calls"),
    "reasoning": choice({"content": None, "reasoning_content": "Hm"}),
    "log probabilities": choice({"content": "Hi"}, logprobs={"content": [], "refusal": None}),
    "usage": {
        **FRAME,
        "choices": [],
        "usage": {
            "prompt_tokens": 1,
            "completion_tokens": 2,
            "total_tokens": 3,
            "prompt_tokens_details": {"cached_tokens": 1},
        },
    },
    "own fields": {**choice({"content": "Hi", "own": {"x": 1}}, own=2), "own": [3]},
}
INVALID = {
    "finish reason of the provider's own": choice({}, "eos"),
    "content in parts": choice({"content": [{"type": "text", "text": "Hi"}]}),
    "no delta": choice(None),
    "no choices": {**FRAME, "choices": None},
    "created as text": {**choice({"content": "Hi"}), "created": "1"},
    "content as a number": choice({"content": 1}),
    "hardly anything": {"choices": [{"delta": {"content": "Hi"}}]},
    "empty": {},
    "a list": [],
}


@pytest.mark.parametrize("data", [*VALID.values(), *INVALID.values()], ids=[*VALID, *INVALID])
async def test_a_chunk_is_the_one_that_the_sdk_builds(data: Any) -> None:
    response = httpx2.Response(200)
    built = [
        client(api_key="k")._process_response_data(
            data=data, cast_to=ChatCompletionChunk, response=response
        )
        for client in (FastOpenAI, AsyncOpenAI)
    ]
    assert repr(built[0]) == repr(built[1])
    assert built[0] == built[1]
    if isinstance(built[1], ChatCompletionChunk):
        assert built[0].model_extra == built[1].model_extra


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
async def test_the_path_of_messages_has_its_version_once(path: str) -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.path)
        return httpx2.Response(404, json={})

    plan = ModelPlan("ns/m", "anthropic", "m", "messages", f"http://127.0.0.1:1{path}")
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as http:
        with pytest.raises(ModelHTTPError):
            await model_request(model_of(plan, None, http), [ModelRequest.user_text_prompt("Hi")])
    assert asked == ["/v1/messages"]


async def test_the_sdk_asks_for_each_chunk(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An SDK that renames the overridden method would make the runner slow again, silently."""

    def not_used(*_: Any, **__: Any) -> None:
        raise AssertionError("the SDK builds a chunk")

    monkeypatch.setattr("openai._base_client.construct_type", not_used)
    async with FastOpenAI(api_key="k", base_url=provider.url) as sdk:
        stream = await sdk.chat.completions.create(model="m", messages=[], stream=True)
        chunks = [chunk async for chunk in stream]
    assert [chunk.choices[0].delta.content for chunk in chunks[:2]] == ["Hello", ", "]
