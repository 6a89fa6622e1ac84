"""OpenAI's clients see the tools that a Team has called, and the answer for the user alone."""

import pytest
from openai import AsyncOpenAI

from tests.runner.agents.conftest import MakeBot, speaker_of
from tests.support.api import Api
from tests.support.provider import Provider, calling, texts

pytestmark = pytest.mark.usefixtures("operator", "runner")


@pytest.fixture
async def scholars(api: Api, namespace: str, make_bot: MakeBot) -> str:
    """A Team of one Bot with a Skill, as a model."""
    skill = {"description": "Greets in Latin.", "content": "Say 'salve'."}
    await api.create("skills", namespace, "latin", skill)
    bot = await make_bot("scholar", skillRefs=[{"name": "latin"}])
    await api.create("teams", namespace, "scholars", {"bots": [{"name": bot}]})
    await api.settled("teams", namespace, "scholars")
    return f"{namespace}/scholars"


async def test_a_response_has_the_calls_of_tools(
    sdk: AsyncOpenAI, provider: Provider, scholars: str
) -> None:
    scripts = [calling(("load_skill", {"name": "latin"}), text="Let me see."), texts("Salve!")]
    provider.script = lambda call: scripts[call.number]
    async with sdk.responses.stream(model=scholars, input="Hi") as stream:
        kinds = [event.type async for event in stream]
        response = await stream.get_final_response()
    assert [item.type for item in response.output] == ["message", "mcp_call", "message"]
    assert response.output[1].output == "Say 'salve'."  # type: ignore[union-attr]
    assert kinds.count("response.mcp_call.completed") == 1
    kept = await sdk.responses.retrieve(response.id)
    assert [item.type for item in kept.output] == [item.type for item in response.output]


async def test_a_chat_completion_has_the_last_stage_of_a_pipeline_alone(
    api: Api, namespace: str, sdk: AsyncOpenAI, provider: Provider, make_bot: MakeBot
) -> None:
    bots = [{"name": await make_bot(name)} for name in ("one", "two")]
    await api.create("teams", namespace, "team", {"collaborationMode": "pipeline", "bots": bots})
    await api.settled("teams", namespace, "team")
    provider.script = lambda call: texts(f"{speaker_of(call.body)} has ", "spoken.")
    model = f"{namespace}/team"
    whole = await sdk.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Hi"}]
    )
    assert whole.choices[0].message.content == "two has spoken."
    streamed = ""
    async for chunk in await sdk.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Hi"}], stream=True
    ):
        streamed += (chunk.choices[0].delta.content or "") if chunk.choices else ""
    assert streamed == "two has spoken."
