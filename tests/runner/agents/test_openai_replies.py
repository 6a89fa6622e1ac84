"""OpenAI's clients of a pipeline whose last stage a person confirms: a rejected answer is none."""

import asyncio
import json
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.runner.agents.conftest import Items, MakeBot
from tests.support.api import Api
from tests.support.provider import Provider, texts
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("operator", "runner")
FORMAT: dict[str, Any] = {
    "type": "json_schema",
    "name": "sum",
    "schema": {
        "type": "object",
        "properties": {"answer": {"type": "integer"}},
        "required": ["answer"],
        "additionalProperties": False,
    },
}


@pytest.fixture
async def pipeline(api: Api, namespace: str, make_bot: MakeBot, provider: Provider) -> str:
    """A Team whose last stage is confirmed, as a model. Its answers count its rounds from 1."""
    bots = [await make_bot("one"), await make_bot("two")]
    members = [{"name": bots[0]}, {"name": bots[1], "requireConfirmation": True}]
    await api.create("teams", namespace, "team", {"collaborationMode": "pipeline", "bots": members})
    await api.settled("teams", namespace, "team")
    provider.script = lambda call: texts('{"answer": ', f"{call.number}}}")
    return f"{namespace}/team"


async def decide(api: Api, namespace: str, *decisions: dict[str, str]) -> str:
    """Answer the questions of the only Task in turn, and return its name once it has ended."""
    asked: list[str] = []
    for _ in decisions:

        async def question() -> tuple[str, str]:
            tasks = await api.list("tasks", namespace)
            assert [it.get("status", {}).get("phase") for it in tasks] == ["Waiting"]
            (it,) = tasks[0]["status"]["waitingFor"]
            assert it["id"] not in asked
            return tasks[0]["metadata"]["name"], it["id"]

        name, id_ = await eventually(question, within_s=30, what="a question of the Task")
        asked.append(id_)
        given = [{"id": it, **said} for it, said in zip(asked, decisions, strict=False)]
        await api.merge("tasks", namespace, name, {"spec": {"answers": given}})

    async def ended() -> str:
        task = await api.get("tasks", namespace, name)
        assert task is not None
        assert task["status"]["phase"] == "Completed", task["status"]
        assert json.loads(task["status"]["result"]) == {"answer": 2}
        return name

    return await eventually(ended, within_s=30, what="the end of the Task")


REPLY = {"decision": "reply", "text": "More!"}
APPROVE = {"decision": "approve"}


@pytest.mark.parametrize("form", [{}, {"text": {"format": FORMAT}}], ids=["text", "schema"])
async def test_a_response_has_the_approved_answer_alone(
    api: Api, namespace: str, sdk: AsyncOpenAI, pipeline: str, items: Items, form: Any
) -> None:
    begun = await sdk.responses.create(model=pipeline, input="Hi", background=True, **form)
    name = await decide(api, namespace, REPLY, APPROVE)
    response = await sdk.responses.retrieve(begun.id)
    assert json.loads(response.output_text) == {"answer": 2}
    kinds = [item.type for item in response.output]
    assert kinds.count("message") == 1
    assert kinds.count("reasoning") == 2, "the first stage, and the rejected answer"
    phases = [it.get("phase") for it in await items(name) if it["type"] == "message"]
    assert phases == ["commentary", "commentary", None]
    deltas = ""
    async for event in await sdk.responses.retrieve(begun.id, stream=True):
        deltas += event.delta if event.type == "response.output_text.delta" else ""
    assert json.loads(deltas) == {"answer": 2}, "a later reader gets the approved answer alone"


async def test_a_stream_that_has_sent_a_rejected_answer_ends_with_an_error(
    api: Api, namespace: str, sdk: AsyncOpenAI, pipeline: str
) -> None:
    stream = await sdk.responses.create(model=pipeline, input="Hi", stream=True)
    events: list[Any] = []

    async def read() -> None:
        async for event in stream:
            events.append(event)
            if event.type == "response.output_text.done":
                assert json.loads(event.text) == {"answer": 1}
                await decide(api, namespace, REPLY, APPROVE)

    with pytest.raises(openai.APIError, match="asked for another answer") as rejected:
        await read()
    assert rejected.value.code == "run_restarted"
    response = await sdk.responses.retrieve(events[0].response.id)
    assert json.loads(response.output_text) == {"answer": 2}


async def test_a_chat_completion_has_the_approved_answer_alone(
    api: Api, namespace: str, sdk: AsyncOpenAI, pipeline: str
) -> None:
    asked = sdk.chat.completions.create(
        model=pipeline, messages=[{"role": "user", "content": "Hi"}]
    )
    completion, _ = await asyncio.gather(asked, decide(api, namespace, REPLY, APPROVE))
    assert json.loads(completion.choices[0].message.content or "") == {"answer": 2}
