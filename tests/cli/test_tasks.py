"""Tasks at the command line: run, logs, answer, cancel, with streams, cuts and Ctrl-C."""

import asyncio
import json

import pytest

from tests.support.api import Api
from tests.support.cli import Cli
from tests.support.provider import Provider, Script
from tests.support.relay import Link
from tests.support.terminal import CTRL_C
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("operator", "runner")

SLOW = Script(pieces=[f"word{i} " for i in range(400)], pause_s=0.05)
"""An answer of twenty seconds."""


async def test_run_and_follow_in_a_pipe(at_home: Cli, team: str) -> None:
    """Stdout has the answer alone, notes go to stderr."""
    result = (await at_home.run("run", team, "Say hello.", "--follow")).ok()
    assert result.stdout == "Hello, world.\n"
    assert "completed: 7 tokens in" in result.stderr
    assert "\x1b" not in result.stdout + result.stderr


async def test_run_in_a_terminal_streams(at_home: Cli, team: str, provider: Provider) -> None:
    provider.script = lambda _: Script(pieces=["first ", "second"], pause_s=1.5)
    async with at_home.terminal("run", team, "Count.", "-f") as terminal:
        await terminal.expect("first")
        assert "second" not in terminal.text
        await terminal.expect("second")
        assert await terminal.end() == 0


async def test_run_alone_prints_the_name(at_home: Cli, team: str) -> None:
    result = (await at_home.run("run", team, "Say hello.", "--name", "greeting")).ok()
    assert result.stdout == "task.agent.wecode.io/greeting created\n"
    assert "wegent logs -f greeting" in result.stderr
    followed = (await at_home.run("logs", "-f", "greeting")).ok()
    assert followed.stdout == "Hello, world.\n"
    assert (await at_home.run("logs", "greeting")).ok().stdout == "Hello, world.\n"
    again = await at_home.run("run", team, "Say hello.", "--name", "greeting")
    assert again.exit_code == 6


async def test_a_prompt_from_stdin_and_the_result_as_json(at_home: Cli, team: str) -> None:
    result = await at_home.run("run", team, "-", "--wait", "-o", "json", stdin="Read this.\n")
    task = result.ok().json
    assert task["spec"]["prompt"] == "Read this."
    assert task["status"]["result"] == "Hello, world."
    events = await at_home.run("run", team, "Again.", "--follow", "-o", "json")
    types = [json.loads(line)["event"] for line in events.ok().stdout.splitlines()]
    assert types[0] in {"run.started", "run.waiting"}
    assert types[-1] == "run.ended"


async def test_a_task_that_fails(at_home: Cli, team: str, provider: Provider) -> None:
    provider.script = lambda _: Script(status=400, body={"error": {"message": "no such thing"}})
    for option in ("--follow", "--wait"):
        result = await at_home.run("run", team, "Fail.", option)
        assert result.exit_code == 1
        assert "failed: " in result.stderr
        assert "no such thing" in result.stderr
        assert "remedy: see the cause with `wegent tree task/" in result.stderr


async def test_control_characters_of_an_llm_do_not_reach_the_terminal(
    at_home: Cli, team: str, provider: Provider
) -> None:
    provider.script = lambda _: Script(pieces=["a\x1b]0;title\x07b", "\x1b[2J", "c\x9b31md"])
    async with at_home.terminal("run", team, "Attack.", "-f") as terminal:
        assert await terminal.end() == 0
        assert "]0;title" in terminal.raw
        for sequence in ("\x1b]", "\x1b[2J", "\x9b", "\x07"):
            assert sequence not in terminal.raw


async def test_ctrl_c_leaves_the_task_alone(
    at_home: Cli, home: str, team: str, provider: Provider, api: Api
) -> None:
    provider.script = lambda _: SLOW
    async with at_home.terminal("run", team, "Long.", "-f", "--name", "long") as terminal:
        await terminal.expect("word3 ")
        terminal.type(CTRL_C)
        assert await terminal.end() == 130
        assert "The Task continues. Follow it: wegent logs -f long" in terminal.text
        assert "Traceback" not in terminal.text
    task = await api.get("tasks", home, "long")
    assert task is not None
    assert task["status"]["phase"] == "Running"
    async with at_home.terminal("logs", "-f", "long") as terminal:
        await terminal.expect("word0 word1 ")
        terminal.type(CTRL_C)
        assert await terminal.end() == 130
        assert "Traceback" not in terminal.text
    (await at_home.run("cancel", "long")).ok()
    result = await at_home.run("logs", "-f", "long")
    assert result.exit_code == 1
    assert "was cancelled" in result.stderr


async def test_a_network_that_is_lost_within_a_stream(
    at_home: Cli, team: str, provider: Provider, proxy_link: Link
) -> None:
    """The stream goes on after each cut, and the text is whole."""
    pieces = [f"word{i} " for i in range(200)]
    provider.script = lambda _: Script(pieces=pieces, pause_s=0.05)
    cli = at_home.with_(
        WEGENT_URL=f"http://127.0.0.1:{proxy_link.port}", WEGENT_TOKEN=at_home.context["token"]
    )
    following = asyncio.create_task(
        cli.run("run", team, "Long.", "-f", "-n", at_home.context["namespace"])
    )
    await eventually(lambda: provider.calls, within_s=30, what="the call of the LLM")
    for _ in range(3):
        await asyncio.sleep(1)
        proxy_link.cut()
    await proxy_link.close()
    await asyncio.sleep(1)
    await proxy_link.open()
    result = (await following).ok()
    assert result.stdout == "".join(pieces) + "\n"
    assert "trying again" in result.stderr


async def test_answers(at_home: Cli, stages: str, provider: Provider) -> None:
    provider.script = lambda call: Script(pieces=[f"stage {call.number}"])

    async def asked(name: str) -> str:
        (await at_home.run("run", stages, "Work.", "--name", name)).ok()

        async def probe() -> str:
            shown = (await at_home.run("answer", name, "-o", "json")).ok().json["items"]
            assert len(shown) == 1, shown
            return str(shown[0]["id"])

        return await eventually(probe, within_s=30, what="the question")

    question = await asked("first")
    shown = (await at_home.run("answer", "first")).ok().stderr
    assert question in shown
    (await at_home.run("answer", "first", "--approve")).ok()
    (await at_home.run("logs", "-f", "first")).ok()
    again = await at_home.run("answer", "first", question, "--approve")
    assert again.exit_code == 6
    question = await asked("second")
    (await at_home.run("answer", "second", question, "--deny", "--text", "No need.")).ok()
    both = await at_home.run("answer", "second", "--deny", "--approve")
    assert both.exit_code == 2
    none = await at_home.run("answer", "first", "--approve")
    assert none.exit_code == 2
    assert "0 open questions" in none.stderr


async def test_no_such_task(at_home: Cli) -> None:
    for command in (("logs", "none"), ("logs", "-f", "none"), ("cancel", "none")):
        result = await at_home.run(*command)
        assert result.exit_code == 4, command
        assert result.stderr.splitlines() == [
            'error: tasks.agent.wecode.io "none" not found',
            "remedy: check the name and the namespace",
        ]


async def test_no_such_team(at_home: Cli, home: str) -> None:
    for option, kind in (((), "Team"), (("--bot",), "Bot")):
        result = await at_home.run("run", "nobody", "Say hello.", *option)
        assert result.exit_code == 4
        assert result.stderr.splitlines() == [
            f"error: {kind} nobody not found in namespace {home}",
            f"remedy: `wegent get {kind.lower()}s` lists those that there are",
        ]


@pytest.mark.usefixtures("team")
async def test_a_bot_and_a_conversation(at_home: Cli, provider: Provider) -> None:
    (await at_home.run("run", "b", "My name is Ada.", "--bot", "--wait", "--name", "one")).ok()
    (await at_home.run("run", "b", "Who am I?", "--bot", "--wait", "--continue", "one")).ok()
    assert [text for _, text in provider.calls[-1].messages][-3:] == [
        "My name is Ada.",
        "Hello, world.",
        "Who am I?",
    ]
