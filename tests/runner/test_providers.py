"""Chunks of chat completions: read faster than the SDK and pydantic-ai do it, and the same."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import httpx2
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk
from pydantic_ai import _utils
from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelRequest, ModelResponse, ModelResponseStreamEvent
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIStreamedResponse
from pydantic_ai.providers.openai import OpenAIProvider

from tests.support.provider import Provider, Script
from wegent_runner.engine.providers import (
    CHUNKS_AT_ONCE,
    FastOpenAI,
    FastOpenAIChatModel,
    model_of,
)
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


def stream_of(chunks: Sequence[Any]) -> Script:
    """Return the answer with some chunks, all in one write."""
    events = [*map(json.dumps, chunks), "[DONE]"]
    return Script(raw="".join(f"data: {event}\n\n" for event in events).encode())


async def read(
    kind: type[OpenAIChatModel], url: str
) -> tuple[list[ModelResponseStreamEvent], ModelResponse]:
    """Return the events of a stream, and its whole answer."""
    async with FastOpenAI(api_key="k", base_url=url) as sdk:
        model = kind("m", provider=OpenAIProvider(openai_client=sdk))
        asked = [ModelRequest.user_text_prompt("Hi")]
        async with model_request_stream(model, asked) as response:
            return [event async for event in response], response.get()


TEXT = [choice({"role": "assistant", "content": ""}), *[choice({"content": "Hi "})] * 3]
STREAMS = {
    **{name: [*TEXT, chunk, VALID["end"]] for name, chunk in VALID.items()},
    **{
        name: [*TEXT, INVALID[name], VALID["end"]]
        for name in ("content in parts", "created as text", "finish reason of the provider's own")
    },
    "one chunk": [VALID["text"]],
    "no text": [VALID["end"]],
    "usage in each chunk": [{**VALID["text"], "usage": VALID["usage"]["usage"]}] * 3,
    "reasoning before and after": [VALID["reasoning"], *TEXT, VALID["reasoning"], VALID["end"]],
    "text after a tool call": [*TEXT, VALID["tool call"], *TEXT, VALID["end"]],
    "log probabilities": [
        choice(
            {"content": "Hi"},
            logprobs={"content": [{"token": "Hi", "logprob": -1, "top_logprobs": []}]},
        ),
        VALID["end"],
    ],
    "a refusal": [choice({"refusal": "No"}), choice({"refusal": "."}), VALID["end"]],
    "annotations": [*TEXT, choice({"content": "Hi", "annotations": [{"x": 1}]}), VALID["end"]],
    "tags of reasoning": [choice({"content": it}) for it in ("<think>", "Hm", "</think>", "Hi")],
}


@pytest.mark.parametrize("chunks", STREAMS.values(), ids=STREAMS)
async def test_a_stream_is_the_one_that_the_library_reads(
    provider: Provider, chunks: list[Any]
) -> None:
    provider.script = lambda _: stream_of(chunks)
    (events, answer), (expected, whole) = [
        await read(kind, provider.url) for kind in (FastOpenAIChatModel, OpenAIChatModel)
    ]
    assert events == expected
    for it in (answer, whole):
        it.timestamp = answer.timestamp  # the time of the call
    assert answer == whole


async def test_the_library_asks_for_each_chunk(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that renames an overridden method would make the runner slow again, silently.

    ``peek`` has read the first chunk. The others need no lock, no usage and no look for details.
    """
    used: list[str] = []

    def count(cls: type, name: str) -> None:
        original = getattr(cls, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            used.append(name)
            return original(*args, **kwargs)

        monkeypatch.setattr(cls, name, counted)

    count(_utils.PeekableAsyncStream, "__anext__")
    for name in ("_map_usage", "_add_usage", "_map_thinking_delta", "_map_provider_details"):
        count(OpenAIStreamedResponse, name)
    provider.script = lambda _: stream_of([VALID["text"]] * 50)
    await read(FastOpenAIChatModel, provider.url)
    assert used == ["__anext__"]


async def test_a_burst_of_chunks_gives_way_to_other_tasks(provider: Provider) -> None:
    bursts = 10
    provider.script = lambda _: stream_of([VALID["text"]] * CHUNKS_AT_ONCE * bursts)
    async with FastOpenAI(api_key="k", base_url=provider.url) as sdk:
        model = FastOpenAIChatModel("m", provider=OpenAIProvider(openai_client=sdk))
        async with model_request_stream(model, [ModelRequest.user_text_prompt("Hi")]) as response:
            turns = 0

            async def other() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0)

            task = asyncio.create_task(other())
            turn_of_each = [turns async for _ in response]
            task.cancel()
    [(_, longest)] = Counter(turn_of_each).most_common(1)
    assert longest <= CHUNKS_AT_ONCE + 2  # with the events before and after the text
