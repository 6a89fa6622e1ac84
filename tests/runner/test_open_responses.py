"""Open Responses: the requests of its compliance suite, checked by its published schema.

The suite (https://www.openresponses.org) is a program in TypeScript that no registry has. These
tests send the same kinds of requests, and check each answer and event with pydantic models that are
generated from the same schema. The official SDK's models check them once more, strictly.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from openresponses_types import types as published
from pydantic import BaseModel, TypeAdapter

from tests.support.provider import Provider, Script
from tests.support.proxy import Client
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("operator", "runner")

SDK_EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)
EVENTS: dict[str, type[BaseModel]] = {
    "response.created": published.ResponseCreatedStreamingEvent,
    "response.in_progress": published.ResponseInProgressStreamingEvent,
    "response.output_item.added": published.ResponseOutputItemAddedStreamingEvent,
    "response.content_part.added": published.ResponseContentPartAddedStreamingEvent,
    "response.output_text.delta": published.ResponseOutputTextDeltaStreamingEvent,
    "response.output_text.done": published.ResponseOutputTextDoneStreamingEvent,
    "response.content_part.done": published.ResponseContentPartDoneStreamingEvent,
    "response.output_item.done": published.ResponseOutputItemDoneStreamingEvent,
    "response.completed": published.ResponseCompletedStreamingEvent,
    "response.incomplete": published.ResponseIncompleteStreamingEvent,
    "response.failed": published.ResponseFailedStreamingEvent,
    "error": published.ErrorStreamingEvent,
}


def message(role: str, content: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": content}


def checked(body: dict[str, Any]) -> dict[str, Any]:
    """Return a response that both schemas allow, with all of its fields."""
    published.ResponseResource.model_validate(body)
    Response.model_validate(body)
    required = {it for it, field in published.ResponseResource.model_fields.items()
                if field.is_required()}  # fmt: skip
    assert required <= body.keys()
    return body


class Suite:
    """Sends requests as the suite does."""

    def __init__(self, client: Client, model: str) -> None:
        self.client = client
        self.model = model

    async def refused(self, **body: Any) -> dict[str, Any]:
        answer = await self.client.post("/v1/responses", {"model": self.model, **body})
        error: dict[str, Any] = answer.expect(400)["error"]
        return error

    async def create(self, **body: Any) -> dict[str, Any]:
        sent = {"model": self.model, "stream": False, **body}
        return checked((await self.client.post("/v1/responses", sent)).expect(200))

    async def events(self, **body: Any) -> list[dict[str, Any]]:
        sent = {"model": self.model, "stream": True, **body}
        answer = await self.client.post("/v1/responses", sent)
        assert answer.status == 200, answer.content
        found = []
        for block in answer.content.decode().split("\n\n"):
            lines = [it for it in block.split("\n") if it and not it.startswith(":")]
            if not lines:
                continue
            name, data = (it.partition(": ")[2] for it in lines)
            event = json.loads(data)
            assert event["type"] == name
            EVENTS[name].model_validate(event)
            SDK_EVENT.validate_python(event)
            if "response" in event:
                checked(event["response"])
            found.append(event)
        return found


@pytest.fixture
async def suite(client: Client, model: str) -> AsyncIterator[Suite]:
    async with aiohttp.ClientSession() as session:
        yield Suite(Client(session, client.base, client.token), model)


async def test_text_system_prompt_and_conversations(suite: Suite, provider: Provider) -> None:
    basic = await suite.create(input=[message("user", "Say hello in exactly 3 words.")])
    assert basic["status"] == "completed"
    assert basic["output"][0]["type"] == "message"
    await suite.create(
        input=[message("system", "You are a pirate."), message("user", "Say hello.")]
    )
    assert provider.calls[1].messages[0] == ("system", "You help.\n\nYou are a pirate.")
    turns = await suite.create(
        input=[
            message("user", "My name is Alice."),
            message("assistant", "Hello Alice!"),
            message("user", "What is my name?"),
        ]
    )
    assert turns["output"]
    await suite.create(input="Which name?", previous_response_id=turns["id"])
    assert ("user", "My name is Alice.") in provider.calls[3].messages


async def test_streams_have_the_published_events(suite: Suite, provider: Provider) -> None:
    events = await suite.events(input=[message("user", "Count from 1 to 5.")])
    assert [it["type"] for it in events][-1] == "response.completed"
    assert {it["type"] for it in events} == EVENTS.keys() - {
        "response.incomplete",
        "response.failed",
        "error",
    }
    provider.script = lambda _: Script(finish_reason="length")
    assert (await suite.events(input="Hi"))[-1]["type"] == "response.incomplete"
    provider.script = lambda _: Script(status=401, body={"error": {"message": "Bad key."}})
    assert (await suite.events(input="Hi"))[-1]["type"] == "response.failed"

    def cut(_: object) -> Script:
        return Script(pieces=["Half "] * 4, pause_s=0.2, cut_after=3)

    provider.script = cut
    last = (await suite.events(input="Hi"))[-1]
    assert (last["type"], last["code"]) == ("error", "run_restarted")


async def test_a_response_in_the_background_has_the_schema_at_each_moment(
    suite: Suite, provider: Provider
) -> None:
    provider.script = lambda _: Script(pieces=["word "] * 5, pause_s=0.1)
    queued = await suite.create(input="Hi", background=True)
    assert (queued["status"], queued["background"]) == ("queued", True)

    async def completed() -> dict[str, Any]:
        found = await suite.client.get(f"/v1/responses/{queued['id']}")
        body = checked(found.expect(200))
        assert body["background"]
        assert body["status"] == "completed", body
        return body

    found = await eventually(completed, within_s=30, what="the response")
    assert found["output"][0]["content"][0]["text"] == "word " * 5


async def test_requests_out_of_scope_are_refused_by_name(suite: Suite) -> None:
    tool = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}
    called = await suite.refused(
        input="Weather?", tools=[tool], tool_choice={"type": "function", "name": "get_weather"}
    )
    assert (called["code"], called["param"]) == ("unsupported_parameter", "tool_choice")
    searched = await suite.refused(input="Find it.", tools=[{"type": "web_search"}])
    assert searched["param"] == "tools"
    result = {"type": "function_call_output", "call_id": "call_1", "output": "18"}
    assert (await suite.refused(input=[message("user", "Weather?"), result]))["param"] == (
        "input[1].type"
    )
    image = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}
    seen = await suite.refused(input=[message("user", [image])])
    assert seen["param"] == "input[0].content[0].type"
    # An offer of tools is answered with text, as any LLM may.
    offered = await suite.create(input="Weather?", tools=[tool])
    assert [it["type"] for it in offered["output"]] == ["message"]
