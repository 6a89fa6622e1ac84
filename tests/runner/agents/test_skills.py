"""A Skill costs its description; its contents and files are read when the LLM asks for them."""

from typing import Any

import pytest

from tests.runner.agents.conftest import Items, MakeBot
from tests.runner.conftest import MakeTask
from tests.support.api import Api
from tests.support.provider import Call, Provider, Script, calling, texts

pytestmark = pytest.mark.usefixtures("operator", "runner")


@pytest.fixture
async def skilled(api: Api, namespace: str, make_bot: MakeBot) -> str:
    skill = {"description": "Greets  people\nin Latin.", "content": "Say 'salve'."}
    await api.create("skills", namespace, "latin", skill)
    return await make_bot("scholar", skillRefs=[{"name": "latin"}])


async def test_a_skill_is_loaded_when_the_llm_asks_for_it(
    provider: Provider, skilled: str, make_task: MakeTask, ended: MakeTask, items: Items
) -> None:
    scripts = [calling(("load_skill", {"name": "latin"}), text="Let me see."), texts("Salve!")]
    provider.script = lambda call: scripts[call.number]
    await make_task(botRef={"name": skilled})
    status = (await ended())["status"]
    assert (status["phase"], status["result"]) == ("Completed", "Salve!")
    first, second = provider.calls
    assert "- latin: Greets people in Latin." in first.messages[0][1]
    assert "salve" not in first.messages[0][1]
    assert first.tools == ["load_skill"]
    assert second.results == ["Say 'salve'."]
    said, call, answer = await items()
    assert said["content"][0]["text"] == "Let me see."
    assert answer["content"][0]["text"] == "Salve!"
    assert call == {
        "id": "mcp_1",
        "type": "mcp_call",
        "status": "completed",
        "server_label": "wegent/skills",
        "name": "load_skill",
        "arguments": '{"name": "latin"}',
        "output": "Say 'salve'.",
        "error": None,
        "approval_request_id": None,
        "bot": call["bot"],
        "attempt": 1,
    }


async def test_wrong_calls_are_told_to_the_llm_and_end_nothing(
    provider: Provider, skilled: str, make_task: MakeTask, ended: MakeTask
) -> None:
    wrong = [
        ("load_skill", '{"name": "greek"}'),
        ("load_skill", "{not json"),
        ("load_skill", "[1]"),
        ("launch", "{}"),
    ]
    scripts = [Script(pieces=(), calls=wrong), texts("Done.")]
    provider.script = lambda call: scripts[call.number]
    await make_task(botRef={"name": skilled})
    assert (await ended())["status"]["result"] == "Done."
    assert provider.calls[1].results == [
        "name: there is no such skill; there are: latin",
        "not called: the arguments are not valid JSON",
        "not called: the arguments must be a JSON object",
        "there is no tool of this name; the tools are: load_skill",
    ]


async def test_too_many_calls_at_once_are_not_made(
    provider: Provider, skilled: str, make_task: MakeTask, ended: MakeTask
) -> None:
    calls = [("load_skill", {"name": "latin"})] * 70
    scripts = [calling(*calls), texts("Done.")]
    provider.script = lambda call: scripts[call.number]
    await make_task(botRef={"name": skilled})
    assert (await ended())["status"]["result"] == "Done."
    results = provider.calls[1].results
    assert results[:64] == ["Say 'salve'."] * 64
    assert results[64:] == ["not called: at most 64 calls may be made at once"] * 6


async def test_an_llm_that_calls_tools_for_ever_is_stopped(
    provider: Provider, skilled: str, make_task: MakeTask, ended: MakeTask
) -> None:
    def script(_: Call) -> Script:
        return calling(("load_skill", {"name": "latin"}))

    provider.script = script
    await make_task(botRef={"name": skilled})
    status: dict[str, Any] = (await ended())["status"]
    assert status["phase"] == "Failed"
    assert "called tools in 64 steps without an answer" in status["message"]
    assert len(provider.calls) == 64


async def test_a_budget_holds_for_the_calls_of_a_loop(
    provider: Provider, skilled: str, make_task: MakeTask, ended: MakeTask
) -> None:
    provider.script = lambda _: calling(("load_skill", {"name": "latin"}))
    await make_task(botRef={"name": skilled}, budget={"modelRequests": 3})
    status = (await ended())["status"]
    assert status["message"].startswith("BudgetExceeded")
    assert len(provider.calls) == 3
