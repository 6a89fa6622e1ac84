"""A chat in a real terminal."""

import asyncio

import pytest

from tests.cli.conftest import NewUser
from tests.support.api import Api
from tests.support.cli import Cli
from tests.support.provider import Call, Provider, Script
from tests.support.relay import Link
from tests.support.terminal import CTRL_C, CTRL_D

pytestmark = pytest.mark.usefixtures("operator", "runner")

SLOW = Script(pieces=[f"word{i} " for i in range(400)], pause_s=0.05)


def echo(call: Call) -> Script:
    """Answer with the number of turns before, and the prompt."""
    said = [text for role, text in call.messages if role == "user"]
    return Script(pieces=[f"turn {len(said)}: ", said[-1]])


async def test_a_conversation(at_home: Cli, team: str, provider: Provider) -> None:
    provider.script = echo
    async with at_home.terminal("chat", team) as terminal:
        await terminal.expect("> ")
        terminal.type("first\n")
        await terminal.expect("turn 1: first")
        await terminal.expect("> ")
        terminal.type("second\n")
        await terminal.expect("turn 2: second")
        await terminal.expect("> ")
        terminal.type("/new\n")
        await terminal.expect("A new conversation begins.")
        await terminal.expect("> ")
        terminal.type("third\n")
        await terminal.expect("turn 1: third")
        await terminal.expect("> ")
        terminal.type("/hepl\n")
        await terminal.expect("there is no command /hepl")
        terminal.type("two\\\nlines\n")
        await terminal.expect("turn 2: two")
        await terminal.expect("> ")
        terminal.type("/quit\n")
        assert await terminal.end() == 0
    assert f"Continue: wegent chat {team} --continue task-" in terminal.text


async def test_an_answer_is_streamed(at_home: Cli, team: str, provider: Provider) -> None:
    provider.script = lambda _: Script(pieces=["first ", "second"], pause_s=1.5)
    async with at_home.terminal("chat", team) as terminal:
        await terminal.expect("> ")
        terminal.type("Count.\n")
        await terminal.expect("first")
        assert "second" not in terminal.text
        await terminal.expect("second")
        await terminal.expect("> ")
        terminal.type(CTRL_D)
        assert await terminal.end() == 0


async def test_ctrl_c_cancels_and_then_leaves(
    at_home: Cli, home: str, team: str, provider: Provider, api: Api
) -> None:
    provider.script = lambda call: SLOW if "long" in call.messages[-1][1] else echo(call)
    async with at_home.terminal("chat", team) as terminal:
        await terminal.expect("> ")
        terminal.type("long\n")
        await terminal.expect("word3 ")
        terminal.type(CTRL_C)
        await terminal.expect("(cancelled)")
        await terminal.expect("> ")
        terminal.type("short\n")
        await terminal.expect("turn 1: short")  # the cancelled turn is not continued
        await terminal.expect("> ")
        terminal.type(CTRL_C)
        await terminal.expect("again, or type /quit")
        terminal.type(CTRL_C)
        assert await terminal.end() == 130
        assert "Traceback" not in terminal.text
        assert any(line.startswith("Continue: ") for line in terminal.lines), terminal.lines
    phases = [it["status"]["phase"] for it in await api.list("tasks", home)]
    assert sorted(phases) == ["Cancelled", "Completed"]


async def test_two_ctrl_c_within_an_answer(at_home: Cli, team: str, provider: Provider) -> None:
    provider.script = lambda _: SLOW
    async with at_home.terminal("chat", team) as terminal:
        await terminal.expect("> ")
        terminal.type("long\n")
        await terminal.expect("word3 ")
        terminal.type(CTRL_C)
        await terminal.expect("Cancelling")
        terminal.type(CTRL_C)
        assert await terminal.end() == 130
        assert "Traceback" not in terminal.text


async def test_cancel_by_a_command(at_home: Cli, team: str, provider: Provider) -> None:
    provider.script = lambda _: SLOW
    async with at_home.terminal("chat", team) as terminal:
        await terminal.expect("> ")
        terminal.type("long\n")
        await terminal.expect("word3 ")
        terminal.type("/cancel\n")
        await terminal.expect("(cancelled)")
        await terminal.expect("> ")
        terminal.type("/quit\n")
        assert await terminal.end() == 0


async def test_a_question_is_asked_inline(
    at_home: Cli, home: str, stages: str, provider: Provider, api: Api
) -> None:
    provider.script = lambda call: Script(pieces=[f"stage {call.number + 1}"])
    async with at_home.terminal("chat", stages) as terminal:
        await terminal.expect("> ")
        terminal.type("Work.\n")
        await terminal.expect("question ")
        await terminal.expect("approve?")
        terminal.type("y\n")
        await terminal.expect("stage 2")
        await terminal.expect("> ")
        terminal.type("/quit\n")
        assert await terminal.end() == 0
    [task] = await api.list("tasks", home)
    assert [it["decision"] for it in task["spec"]["answers"]] == ["approve"]


async def test_lines_from_before_a_question_are_no_answer(
    at_home: Cli, home: str, stages: str, provider: Provider, api: Api
) -> None:
    provider.script = lambda call: Script(pieces=[f"stage {call.number + 1} ", "ends"], pause_s=1)
    async with at_home.terminal("chat", stages) as terminal:
        await terminal.expect("> ")
        terminal.type("Work.\n")
        await terminal.expect("stage 1")
        # Pasted while the answer is written: lines, and one without its Enter.
        terminal.type("/quit\n" + "y\n" * 200 + "n: because ")
        await terminal.expect("approve?")
        await asyncio.sleep(1)
        [task] = await api.list("tasks", home)
        assert "answers" not in task["spec"]
        terminal.type("y\n")
        await terminal.expect("stage 2")
        assert await terminal.end() == 0  # by the /quit
    [task] = await api.list("tasks", home)
    assert [it["decision"] for it in task["spec"]["answers"]] == ["approve"]


async def test_ctrl_c_at_a_question_cancels_and_asks_no_more(
    at_home: Cli, stages: str, provider: Provider
) -> None:
    provider.script = lambda call: Script(pieces=[f"stage {call.number + 1}"])
    async with at_home.terminal("chat", stages) as terminal:
        await terminal.expect("> ")
        terminal.type("Work.\n")
        await terminal.expect("approve?")
        terminal.type(CTRL_C)
        await terminal.expect("(cancelled)")
        await terminal.expect("> ")
        terminal.type("/quit\n")
        assert await terminal.end() == 0
    assert terminal.text.count("approve?") == 1


async def test_the_network_is_lost_within_an_answer(
    at_home: Cli, home: str, team: str, provider: Provider, proxy_link: Link
) -> None:
    pieces = [f"word{i} " for i in range(60)]
    provider.script = lambda _: Script(pieces=pieces, pause_s=0.05)
    cli = at_home.with_(
        WEGENT_URL=f"http://127.0.0.1:{proxy_link.port}", WEGENT_TOKEN=at_home.context["token"]
    )
    async with cli.terminal("chat", team, "-n", home) as terminal:
        await terminal.expect("> ")
        terminal.type("Long.\n")
        await terminal.expect("word3 ")
        await proxy_link.close()
        await terminal.expect("trying again")
        await proxy_link.open()
        await terminal.expect("word59")
        await terminal.expect("> ")
        terminal.type("/quit\n")
        assert await terminal.end() == 0
    lines = terminal.text.splitlines()
    told = [line for line in lines if "trying again" in line]
    assert told, lines
    assert all("word" not in line for line in told), "a note has a line of its own"
    assert len(told) == len(set(told)), "each fault is told once, however many tries there are"
    words = terminal.text.split()
    assert [word for word in words if word.startswith("word")] == [it.strip() for it in pieces]


async def test_a_chat_in_a_pipe(at_home: Cli, team: str, provider: Provider) -> None:
    provider.script = echo
    result = (await at_home.run("chat", team, stdin="first\nsecond\n")).ok()
    assert result.stdout == "turn 1: first\nturn 2: second\n"


async def test_no_such_team(at_home: Cli) -> None:
    result = await at_home.run("chat", "nobody")
    assert result.exit_code == 4


async def test_no_rights(new_user: NewUser) -> None:
    one, other = await new_user(), await new_user()
    namespace = f"wegent-{other.variables['TEST_USER']}"
    result = await one.run("chat", "x", "-n", namespace, stdin="Hello.\n")
    assert result.exit_code == 5
