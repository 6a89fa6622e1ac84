"""Other clients of OpenAI's API against the proxy: the JavaScript SDK, and pydantic-ai."""

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from openai import APIError, AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError
from pydantic_ai.models import Model
from pydantic_ai.models.openai import (
    OpenAIChatModel,
    OpenAIResponsesModel,
    OpenAIResponsesModelSettings,
)
from pydantic_ai.providers.openai import OpenAIProvider

from devcluster.checkout import CHECKOUT
from tests.support.npm import installed
from tests.support.provider import Provider, Script
from tests.support.proxy import Client

pytestmark = pytest.mark.usefixtures("operator", "runner")
SCRIPTS = Path(__file__).parent / "openai_js"
NODE = shutil.which("node") or ""


@pytest.mark.skipif(not NODE, reason="node is not installed")
async def test_the_javascript_sdk(client: Client, model: str) -> None:
    directory = await asyncio.to_thread(installed, SCRIPTS)
    process = await asyncio.create_subprocess_exec(
        NODE, "talk.mjs", f"{client.base}/v1", str(client.token), model,
        cwd=directory,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    assert json.loads(out) == {
        "listed": True,
        "retrieved": model,
        "response": "Hello, world.",
        "last": "response.completed",
        "streamed": "Hello, world.",
        "accumulated": "Hello, world.",
        "chat": "Hello, world.",
        "usage": 11,
        "error": [True, "model_not_found"],
    }


async def test_the_example(client: Client, model: str, provider: Provider) -> None:
    environment = {**os.environ, "OPENAI_BASE_URL": f"{client.base}/v1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, CHECKOUT / "examples" / "openai-api" / "ask.py", model,
        env={**environment, "OPENAI_API_KEY": str(client.token)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    assert out.decode() == "Hello, world.\nHello, world.\n"
    assert [text for _, text in provider.calls[1].messages] == [
        "You help.",
        "What is the capital of Germany?",
        "Hello, world.",
        "Repeat that in one short sentence.",
    ]


@pytest.fixture(params=[OpenAIChatModel, OpenAIResponsesModel])
def llm(sdk: AsyncOpenAI, model: str, request: pytest.FixtureRequest) -> Model:
    """The Team as a model of pydantic-ai."""
    made: Model = request.param(model, provider=OpenAIProvider(openai_client=sdk))
    return made


async def test_pydantic_ai(llm: Model, provider: Provider) -> None:
    agent = Agent(llm, instructions="Be brief.", model_settings={"temperature": 0.1})
    first = await agent.run("One?")
    assert first.output == "Hello, world."
    assert first.usage.input_tokens == 7
    async with agent.run_stream("Two?", message_history=first.all_messages()) as streamed:
        assert await streamed.get_output() == "Hello, world."
    assert provider.calls[1].messages == [
        ("system", "You help.\n\nBe brief."),
        ("user", "One?"),
        ("assistant", "Hello, world."),
        ("user", "Two?"),
    ]


async def test_pydantic_ai_offers_tools_and_gets_text(llm: Model, provider: Provider) -> None:
    agent = Agent(llm)

    @agent.tool_plain
    def fruit() -> str:
        raise AssertionError("a Team calls no tool of the client")

    assert (await agent.run("One?")).output == "Hello, world."
    assert "tools" not in provider.calls[0].body
    structured = Agent(llm, output_type=bool)  # an answer that is a call of a tool
    with pytest.raises(ModelHTTPError) as refused:
        await structured.run("One?")
    assert refused.value.status_code == 400
    assert "tool_choice" in str(refused.value)


async def test_pydantic_ai_continues_a_response(
    sdk: AsyncOpenAI, model: str, provider: Provider
) -> None:
    llm = OpenAIResponsesModel(model, provider=OpenAIProvider(openai_client=sdk))
    settings = OpenAIResponsesModelSettings(openai_previous_response_id="auto")
    agent = Agent(llm, model_settings=settings)
    first = await agent.run("One?")
    second = await agent.run("Two?", message_history=first.all_messages())
    assert second.output == "Hello, world."
    assert provider.calls[1].messages[1:] == [
        ("user", "One?"),
        ("assistant", "Hello, world."),
        ("user", "Two?"),
    ]
    previous = second.response.provider_response_id or ""
    task = (await sdk.responses.retrieve(previous)).previous_response_id
    assert task == first.response.provider_response_id


async def test_pydantic_ai_fails_on_void_text(llm: Model, provider: Provider) -> None:
    def script(_: object) -> Script:
        if len(provider.calls) == 1:
            return Script(pieces=["Half "] * 4, pause_s=0.2, cut_after=3)
        return Script()

    provider.script = script
    with pytest.raises((ModelAPIError, APIError), match="begun again"):
        async with Agent(llm).run_stream("Hi") as streamed:
            await streamed.get_output()
