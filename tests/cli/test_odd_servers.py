"""The command against servers that fail at a bad moment, or answer with odd texts."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml
from aiohttp import web

from tests.support.cli import Cli
from tests.support.terminal import CTRL_C

VERSION = "agent.wecode.io/v1"
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def status(code: int, reason: str, message: str) -> web.Response:
    """Return a refusal."""
    body = {"kind": "Status", "code": code, "reason": reason, "message": message}
    return web.json_response(body, status=code)


@dataclass
class OddServer:
    """A server that answers as a test says.

    Attributes:
        answers: by the method and the last part of the path.
        bodies: of the requests so far, by the same key.
    """

    answers: dict[str, Answer] = field(default_factory=dict)
    bodies: dict[str, list[Any]] = field(default_factory=dict)
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        key = f"{request.method} {request.path.rpartition('/')[2]}"
        self.bodies.setdefault(key, []).append(await request.read())
        if key not in self.answers:
            return status(404, "NotFound", f"there is nothing at {key}")
        return await self.answers[key](request)

    def client(self, home: Cli) -> Cli:
        """Return the command with this server."""
        return home.with_(WEGENT_URL=self.url, WEGENT_TOKEN="t")


@asynccontextmanager
async def odd_server() -> AsyncIterator[OddServer]:
    """Run a server without answers."""
    server = OddServer()
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{rest:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()


@pytest.fixture
async def server() -> AsyncIterator[OddServer]:
    async with odd_server() as server:
        server.answers["GET crew"] = team
        server.answers["POST tasks"] = created
        yield server


async def team(request: web.Request) -> web.StreamResponse:
    """Answer with the Team."""
    del request
    metadata = {"name": "crew", "namespace": "default"}
    return web.json_response(
        {"apiVersion": VERSION, "kind": "Team", "metadata": metadata, "spec": {}}
    )


async def created(request: web.Request) -> web.StreamResponse:
    """Answer with the new Task."""
    body = await request.json()
    body["metadata"].setdefault("namespace", "default")
    return web.json_response(body, status=201)


def streaming(*events: tuple[str, str]) -> Answer:
    """Return an answer with events, each a type and its JSON."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number, (type_, data) in enumerate(events):
            await response.write(f"id: 1.{number}\nevent: {type_}\ndata: {data}\n\n".encode())
        return response

    return answer


def delta(text: str) -> tuple[str, str]:
    """Return an event with a text."""
    data = {"delta": text, "item_id": "m", "sequence_number": 1}
    return "response.output_text.delta", json.dumps(data)


ENDED = ("run.ended", json.dumps({"phase": "Completed", "result": "x"}))


async def test_an_expired_login_loses_no_conversation(server: OddServer, stranger: Cli) -> None:
    server.answers["GET events"] = streaming(delta("An answer."), ENDED)
    async with server.client(stranger).terminal("chat", "crew") as terminal:
        await terminal.expect("> ")
        terminal.type("first\n")
        await terminal.expect("An answer.")
        await terminal.expect("> ")

        async def expired(_: web.Request) -> web.StreamResponse:
            return status(401, "Unauthorized", "the login has expired")

        server.answers["POST tasks"] = expired
        terminal.type("a long\\\nsecond one\n")
        assert await terminal.end() == 3
    [first, _] = server.bodies["POST tasks"]
    name = json.loads(first)["metadata"]["name"]
    assert f"Continue: wegent chat crew --continue {name}" in terminal.text
    kept = terminal.text.partition("may not have been sent:")[2]
    assert kept.split("\n")[1:3] == ["a long", "second one"]
    assert "wegent login" in kept


async def test_ctrl_c_while_a_task_is_created_names_it(server: OddServer, stranger: Cli) -> None:
    asked = asyncio.Event()

    async def hang(_: web.Request) -> web.StreamResponse:
        asked.set()
        await asyncio.sleep(3)
        return web.Response()

    server.answers["POST tasks"] = hang
    async with server.client(stranger).terminal("chat", "crew", "-n", "ours") as terminal:
        await terminal.expect("> ")
        terminal.type("Work.\n")
        await asyncio.wait_for(asked.wait(), 20)
        terminal.type(CTRL_C)
        assert await terminal.end() == 130
    name = json.loads(server.bodies["POST tasks"][0])["metadata"]["name"]
    flat = " ".join(terminal.text.split())
    assert f"wegent logs {name} -n ours" in flat
    assert "may not have been sent: Work." in flat


async def test_a_lone_surrogate_ends_no_command(server: OddServer, stranger: Cli) -> None:
    server.answers["GET events"] = streaming(delta("hello \ud83d!"), ENDED)
    cli = server.client(stranger)
    result = (await cli.run("run", "crew", "Work.", "--follow")).ok()
    assert result.stdout == "hello \N{REPLACEMENT CHARACTER}!\n"
    async with cli.terminal("run", "crew", "Work.", "--follow") as terminal:
        assert await terminal.end() == 0
    assert "hello \N{REPLACEMENT CHARACTER}!" in terminal.text
    lines = (await cli.run("run", "crew", "Work.", "--follow", "-o", "json")).ok().stdout
    assert json.loads(lines.splitlines()[0])["data"]["delta"] == "hello \ud83d!"
    stdout = (await cli.with_(PYTHONIOENCODING="ascii").run("run", "crew", "W.", "-f")).ok().stdout
    assert stdout == "hello ?!\n"


async def test_what_is_applied_shows_before_a_later_failure(
    server: OddServer, stranger: Cli
) -> None:
    async def apply(request: web.Request) -> web.StreamResponse:
        if len(server.bodies["POST apply"]) % 2 == 0:
            return status(403, "Forbidden", "the quota is used up")
        items = (await request.json())["items"]
        done: list[Mapping[str, Any]] = [
            {"kind": it["kind"], "name": it["metadata"]["name"], "result": "created"}
            for it in items
        ]
        return web.json_response({"items": done})

    server.answers["POST apply"] = apply
    ghosts = yaml.safe_dump_all(
        {"apiVersion": VERSION, "kind": "Ghost", "metadata": {"name": f"g{n}"}, "spec": {}}
        for n in range(300)
    )
    cli = server.client(stranger)
    result = await cli.run("apply", "-f", "-", stdin=ghosts)
    assert result.exit_code == 5
    assert result.stdout.splitlines() == [f"ghost/g{n} created" for n in range(256)]
    assert "256 of 300 objects are applied, and then: the quota is used up" in result.stderr
    result = await cli.run("apply", "-f", "-", "-o", "json", stdin=ghosts)
    assert result.exit_code == 5
    assert len(json.loads(result.stdout)["items"]) == 256


async def test_only_names_of_objects_are_offered(server: OddServer, stranger: Cli) -> None:
    """zsh evaluates what it is offered."""
    names = ["good-one", "$(touch evil)", "a`id`", "x y", "Upper", "ok.too", "-rf"]

    async def teams(_: web.Request) -> web.StreamResponse:
        found = [
            {"apiVersion": VERSION, "kind": "Team", "metadata": {"name": it}, "spec": {}}
            for it in names
        ]
        listed = {"apiVersion": VERSION, "kind": "TeamList", "metadata": {}, "items": found}
        return web.json_response(listed)

    server.answers["GET teams"] = teams
    asked = server.client(stranger).with_(
        COMP_WORDS="wegent chat ", COMP_CWORD="2", _WEGENT_COMPLETE="complete_bash"
    )
    assert (await asked.run()).stdout.split() == ["good-one", "ok.too"]
