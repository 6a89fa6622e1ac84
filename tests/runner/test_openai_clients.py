"""Other clients of OpenAI's API against the proxy: the JavaScript SDK, and pydantic-ai."""

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.models import Model
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

from devcluster.checkout import CHECKOUT
from tests.support.npm import installed
from tests.support.provider import Provider
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


@pytest.mark.parametrize("type_", [OpenAIChatModel, OpenAIResponsesModel])
async def test_pydantic_ai(
    sdk: AsyncOpenAI,
    model: str,
    provider: Provider,
    type_: type[OpenAIChatModel] | type[OpenAIResponsesModel],
) -> None:
    llm: Model = type_(model, provider=OpenAIProvider(openai_client=sdk))
    agent = Agent(llm, instructions="Be brief.")
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
