"""The modes of Teams, with Bots on a scripted provider."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.runner.agents.conftest import Items, MakeBot, speaker_of
from tests.runner.conftest import MakeTask
from tests.support.api import Api
from tests.support.provider import Call, Provider, Script, calling, texts

pytestmark = pytest.mark.usefixtures("operator", "runner")


def by_speaker(**roles: Callable[[Call], Script]) -> Callable[[Call], Script]:
    """Return a script with a part for each Bot."""
    return lambda call: roles[speaker_of(call.body)](call)


def prompt_of(call: Call) -> str:
    """Return the last text of the user."""
    return [text for role, text in call.messages if role == "user"][-1]


@pytest.fixture
async def bots(make_bot: MakeBot) -> list[str]:
    return [await make_bot(name, f"Knows all of {name}s.") for name in ("one", "two", "three")]


@pytest.fixture
def make_team(api: Api, namespace: str, bots: list[str]) -> MakeTask:
    async def make(mode: str, *members: dict[str, Any]) -> dict[str, Any]:
        listed = list(members) or [{"name": name} for name in bots]
        await api.create("teams", namespace, "team", {"collaborationMode": mode, "bots": listed})
        await api.settled("teams", namespace, "team")
        return {"botRef": None, "teamRef": {"name": "team"}, "prompt": "Do it."}

    return make


async def test_a_pipeline_passes_what_its_stages_ask_for(
    provider: Provider, make_team: MakeTask, make_task: MakeTask, ended: MakeTask, items: Items
) -> None:
    task = await make_team(
        "pipeline",
        {"name": "one"},
        {"name": "two"},
        {"name": "three", "contextPassing": "all"},
    )
    provider.script = lambda call: texts(f"{speaker_of(call.body)} heard <{prompt_of(call)}>")
    await make_task(**task)
    assert (await ended())["status"]["phase"] == "Completed"
    first, second, third = map(prompt_of, provider.calls)
    assert first == "Do it."
    assert second == "one heard <Do it.>"
    assert third.startswith("Do it.\n\n## ")
    assert "one heard <Do it.>" in third
    assert "two heard <one heard <Do it.>>" in third
    said = await items()
    assert [it["bot"].partition("/")[2] for it in said] == ["one", "two", "three"]
    assert [it.get("phase") for it in said] == ["commentary", "commentary", None]


async def test_the_result_of_a_pipeline_is_its_last_answer(
    provider: Provider, make_team: MakeTask, make_task: MakeTask, ended: MakeTask
) -> None:
    task = await make_team(
        "pipeline",
        {"name": "one"},
        {"name": "two", "contextPassing": "original"},
        {"name": "three", "contextPassing": "none", "prompt": "Say three."},
    )
    provider.script = lambda call: texts(f"{speaker_of(call.body)}: {prompt_of(call)}")
    await make_task(**task)
    assert (await ended())["status"]["result"] == "three: Say three."
    assert [prompt_of(call) for call in provider.calls] == ["Do it.", "Do it.", "Say three."]


async def test_a_stage_that_fails_is_named(
    provider: Provider, make_team: MakeTask, make_task: MakeTask, ended: MakeTask
) -> None:
    def fails(_: Call) -> Script:
        return Script(status=400, body={"error": {"message": "no"}})

    task = await make_team("pipeline")
    provider.script = by_speaker(one=lambda _: texts("1"), two=fails)
    await make_task(**task)
    status = (await ended())["status"]
    assert status["phase"] == "Failed"
    assert "Bot" in status["message"]
    assert "/two" in status["message"]


@pytest.mark.parametrize("speaks", [True, False])
async def test_a_router_picks_the_member_that_answers(
    *,
    speaks: bool,
    provider: Provider,
    make_team: MakeTask,
    make_task: MakeTask,
    ended: MakeTask,
    items: Items,
) -> None:
    """Small models name the member in a text, and call no tool."""
    pick = texts("I think three.") if speaks else calling(("hand_over", {"member": "three"}))
    task = await make_team("route")
    provider.script = by_speaker(one=lambda _: pick, three=lambda _: texts("Three says so."))
    await make_task(**task)
    assert (await ended())["status"]["result"] == "Three says so."
    leader, member = provider.calls
    assert leader.tools == ["hand_over"]
    assert "three: Knows all of threes." in leader.body["tools"][0]["function"]["description"]
    assert leader.body["tool_choice"] == "required"
    assert prompt_of(member) == "Do it."
    call = next(it for it in await items() if it["type"] == "mcp_call")
    assert (call["name"], call["arguments"]) == ("hand_over", '{"member": "three"}')


async def test_a_router_that_picks_nobody_is_asked_again_and_then_fails(
    provider: Provider, make_team: MakeTask, make_task: MakeTask, ended: MakeTask
) -> None:
    task = await make_team("route")
    provider.script = lambda _: texts("Hm.")
    await make_task(**task)
    status = (await ended())["status"]
    assert status["phase"] == "Failed"
    assert "has picked no member" in status["message"]
    assert len(provider.calls) == 2
    assert prompt_of(provider.calls[1]) == "Call hand_over with one of: two, three."


async def test_members_are_tools_of_a_coordinator(
    provider: Provider, make_team: MakeTask, make_task: MakeTask, ended: MakeTask, items: Items
) -> None:
    def leads(call: Call) -> Script:
        if not call.results:
            return calling(("two", {"task": "Add."}), ("three", {"task": "Multiply."}))
        return texts(f"I was told: {', '.join(call.results)}")

    task = await make_team("coordinate")
    provider.script = by_speaker(
        one=leads,
        two=lambda call: texts(f"2: {prompt_of(call)}"),
        three=lambda call: texts(f"3: {prompt_of(call)}"),
    )
    await make_task(**task)
    assert (await ended())["status"]["result"] == "I was told: 2: Add., 3: Multiply."
    assert provider.calls[0].tools == ["two", "three"]
    assert all(not call.tools for call in provider.calls[1:3])
    members = [it for it in await items() if it.get("phase") == "commentary"]
    assert {it["bot"].partition("/")[2] for it in members} == {"two", "three"}


async def test_a_coordinator_hears_of_a_member_that_fails(
    provider: Provider, make_team: MakeTask, make_task: MakeTask, ended: MakeTask
) -> None:
    def leads(call: Call) -> Script:
        if not call.results:
            return calling(("two", {"task": "Add."}))
        return texts(f"Never mind: {call.results[0]}")

    task = await make_team("coordinate")
    provider.script = by_speaker(
        one=leads, two=lambda _: Script(status=400, body={"error": {"message": "no"}})
    )
    await make_task(**task)
    status = (await ended())["status"]
    assert status["phase"] == "Completed"
    assert "the member has failed" in status["result"]


async def test_collaborators_work_side_by_side_and_the_leader_answers(
    provider: Provider, make_team: MakeTask, make_task: MakeTask, ended: MakeTask
) -> None:
    task = await make_team(
        "collaborate", {"name": "one"}, {"name": "two", "role": "leader"}, {"name": "three"}
    )
    provider.script = by_speaker(
        one=lambda _: Script(pieces=["1"] * 10, pause_s=0.1),
        two=lambda call: texts(prompt_of(call)),
        three=lambda _: Script(pieces=["3"] * 10, pause_s=0.1),
    )
    await make_task(**task)
    status = (await ended())["status"]
    assert "1111111111" in status["result"]
    assert "3333333333" in status["result"]
    one, three, two = provider.calls
    assert three.began_at < (one.ended_at or 0)
    assert one.began_at < (three.ended_at or 0)
    assert {speaker_of(one.body), speaker_of(three.body)} == {"one", "three"}
    assert prompt_of(two).count("Do it.") == 1


async def test_a_collaborator_that_fails_is_survived_and_said(
    provider: Provider, make_team: MakeTask, make_task: MakeTask, ended: MakeTask
) -> None:
    task = await make_team("collaborate")
    provider.script = by_speaker(
        one=lambda call: texts(prompt_of(call)),
        two=lambda _: Script(status=400, body={"error": {"message": "no"}}),
        three=lambda _: texts("three's answer"),
    )
    await make_task(**task)
    status = (await ended())["status"]
    assert status["phase"] == "Completed"
    assert "three's answer" in status["result"]
    assert "No answer: Bot" in status["result"]
