"""LangChain's ``ChatOpenAI`` against the proxy, with chat completions and with responses.

Its synchronous calls run in a thread: the runner and the provider are in this event loop.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import openai
import pytest
from langchain_core.exceptions import ContextOverflowError, ModelNotFoundError
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from tests.support.provider import Provider, Script
from tests.support.proxy import Client

pytestmark = pytest.mark.usefixtures("operator", "runner")

MakeLLM = Callable[..., ChatOpenAI]
BOTH = pytest.mark.parametrize(
    "kind", [{"use_responses_api": False}, {"use_responses_api": True}], ids=["chat", "responses"]
)


class Fruit(BaseModel):
    """A fruit."""

    name: str


@pytest.fixture
def make_llm(client: Client, model: str) -> MakeLLM:
    def make(**more: Any) -> ChatOpenAI:
        options: dict[str, Any] = {
            "base_url": f"{client.base}/v1",
            "api_key": SecretStr(client.token or ""),
            "model": model,
            "max_retries": 0,
            "timeout": 60,
            **more,
        }
        return ChatOpenAI(**options)

    return make


def _joined(chunks: list[Any]) -> Any:
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole


@BOTH
async def test_it_invokes_and_streams_a_conversation(
    make_llm: MakeLLM, provider: Provider, kind: dict[str, bool]
) -> None:
    llm = make_llm(**kind, temperature=0.3, max_tokens=50, stream_usage=True)
    messages: list[BaseMessage] = [SystemMessage("Be brief."), HumanMessage("One?")]
    first = await asyncio.to_thread(llm.invoke, messages)
    assert first.text == "Hello, world."
    assert first.usage_metadata is not None
    assert first.usage_metadata["total_tokens"] == 11

    messages += [first, HumanMessage("Two?")]
    streamed = _joined(await asyncio.to_thread(lambda: list(llm.stream(messages))))
    assert streamed.text == "Hello, world."
    assert streamed.usage_metadata["output_tokens"] == 4
    assert provider.calls[1].messages == [
        ("system", "You help.\n\nBe brief."),
        ("user", "One?"),
        ("assistant", "Hello, world."),
        ("user", "Two?"),
    ]

    assert (await llm.ainvoke("Three?")).text == "Hello, world."
    assert _joined([it async for it in llm.astream("Four?")]).text == "Hello, world."
    batch = await llm.abatch(["Five?", "Six?"])
    assert [it.text for it in batch] == ["Hello, world."] * 2


async def test_it_continues_a_response(make_llm: MakeLLM, provider: Provider) -> None:
    llm = make_llm(use_responses_api=True)
    first = await llm.ainvoke("One?")
    second = await llm.ainvoke("Two?", previous_response_id=first.response_metadata["id"])
    assert second.text == "Hello, world."
    turns = provider.calls[1].messages
    assert turns[1:] == [("user", "One?"), ("assistant", "Hello, world."), ("user", "Two?")]

    # It finds the previous response in the messages by itself, and sends only the newer ones.
    chained = make_llm(use_responses_api=True, use_previous_response_id=True)
    conversation = [HumanMessage("One?"), first, HumanMessage("Three?")]
    chunks = [it async for it in chained.astream(conversation)]
    assert _joined(chunks).text == "Hello, world."
    assert provider.calls[2].messages[1:] == [*turns[1:3], ("user", "Three?")]


@BOTH
async def test_tools_are_offered_and_not_called(
    make_llm: MakeLLM, provider: Provider, kind: dict[str, bool]
) -> None:
    llm = make_llm(**kind)
    answer = await llm.bind_tools([Fruit]).ainvoke("One?")
    assert isinstance(answer, AIMessage)
    assert (answer.text, answer.tool_calls) == ("Hello, world.", [])
    called = llm.with_structured_output(Fruit, method="function_calling")
    with pytest.raises(openai.BadRequestError, match="not supported"):
        await called.ainvoke("One?")
    fruit = Fruit(name="pear")
    provider.script = lambda _: Script(pieces=[fruit.model_dump_json()])
    assert await llm.with_structured_output(Fruit, method="json_schema").ainvoke("One?") == fruit


@BOTH
async def test_errors_are_exceptions_of_its_own(
    make_llm: MakeLLM, provider: Provider, namespace: str, kind: dict[str, bool]
) -> None:
    with pytest.raises(ModelNotFoundError) as missing:
        await make_llm(**kind, model=f"{namespace}/none").ainvoke("Hi")
    assert isinstance(missing.value, openai.NotFoundError)
    with pytest.raises(openai.AuthenticationError):
        await make_llm(**kind, api_key=SecretStr("sk-forged")).ainvoke("Hi")
    with pytest.raises(ContextOverflowError):
        await make_llm(**kind).ainvoke("p" * 131_073)
    with pytest.raises(openai.BadRequestError, match="stop"):
        await make_llm(stop=["\n"]).ainvoke("Hi")
    provider.script = lambda _: Script(status=401, body={"error": {"message": "Bad key."}})
    with pytest.raises((openai.APIError, ValueError), match="Bad key"):
        await make_llm(**kind).ainvoke("Hi")


@BOTH
async def test_void_text_is_not_taken_for_an_answer(
    make_llm: MakeLLM, provider: Provider, kind: dict[str, bool]
) -> None:
    def script(_: object) -> Script:
        if len(provider.calls) == 1:
            return Script(pieces=["Half "] * 4, pause_s=0.2, cut_after=3)
        return Script()

    provider.script = script
    llm = make_llm(**kind)
    with pytest.raises(openai.APIError, match="begun again"):
        [it async for it in llm.astream("Hi")]
