"""What one MCP server, and one user's, may take of a runner that others share."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from tests.runner.agents.mcp.test_client import tool
from tests.support.mcp_servers import http_server, sdk_server
from tests.support.mcp_wire import Answer, Rpc, WireServer, events
from tests.support.waiting import eventually
from wegent_runner.agents.mcp import answers, connections
from wegent_runner.agents.mcp.answers import LARGE_BYTES, MAX_LARGE
from wegent_runner.agents.mcp.client import McpClient
from wegent_runner.agents.mcp.listing import CURSOR_MAX_CHARACTERS, LISTING_MAX_BYTES, Sieve
from wegent_runner.agents.mcp.schemas import SCHEMA_MAX_CHARACTERS
from wegent_runner.engine.tools import ToolOutput

# Lists of tools


def test_a_schema_that_is_too_large_is_not_kept_until_the_last_page() -> None:
    sieve = Sieve(None)
    large = {"type": "object", "description": "x" * SCHEMA_MAX_CHARACTERS}
    page: list[Any] = [{"name": "large", "inputSchema": large}, {"name": "it", "inputSchema": {}}]
    assert [tool["name"] for tool in sieve.sift(page, 1)] == ["it"]
    assert sieve.invalid["large"].endswith("and at most 32,768 are allowed")


async def test_a_list_of_large_pages_ends(mcp: McpClient, wire: WireServer) -> None:
    padding = "x" * (12 << 20)

    async def page(rpc: Rpc) -> web.StreamResponse:
        number = int(rpc.params.get("cursor", "0"))
        tools = [{"name": f"tool{number}", "inputSchema": {}, "title": padding}]
        return rpc.result({"tools": tools, "nextCursor": str(number + 1)})

    wire.answers["tools/list"] = page
    async with mcp.toolset([http_server(wire.url)]) as tools:
        assert [it.spec.name for it in tools.tools] == ["tool0", "tool1"]
        (notice,) = tools.notices
    assert wire.methods().count("tools/list") == LISTING_MAX_BYTES // len(padding) + 1
    assert notice == (
        "MCP server it has a list of tools of more than 32 MiB; tools from there on are left out"
    )


async def test_a_list_ends_at_a_long_cursor(mcp: McpClient, wire: WireServer) -> None:
    async def page(rpc: Rpc) -> web.StreamResponse:
        cursor = "c" * (CURSOR_MAX_CHARACTERS + len(wire.received) % 2 + 1)
        return rpc.result({"tools": wire.tools, "nextCursor": cursor})

    wire.answers["tools/list"] = page
    async with mcp.toolset([http_server(wire.url)]) as tools:
        assert [it.spec.name for it in tools.tools] == ["echo"]
        (notice,) = tools.notices
    assert wire.methods().count("tools/list") == 1
    assert notice == (
        "MCP server it names its next page of tools with more than 4,096 characters; tools from"
        " there on are left out"
    )


# Large answers


async def as_events(rpc: Rpc) -> web.StreamResponse:
    return await events(rpc)


async def as_json(rpc: Rpc) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(rpc.request)
    return response


Beginning = Callable[[Rpc], Awaitable[web.StreamResponse]]


def trickling(begin: Beginning) -> Answer:
    """Return a large answer that never ends, and of which a byte comes now and then."""

    async def answer(rpc: Rpc) -> web.StreamResponse:
        response = await begin(rpc)
        await response.write(b"data: " + b" " * 2 * LARGE_BYTES)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.02)

    return answer


async def large(rpc: Rpc) -> web.StreamResponse:
    return rpc.result({"content": [{"type": "text", "text": "x" * 2 * LARGE_BYTES}]})


@pytest.mark.parametrize("begin", [as_events, as_json])
async def test_a_large_answer_holds_its_place_for_a_limited_time(
    mcp: McpClient, wire: WireServer, begin: Beginning, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "LARGE_S", 0.5)
    wire.answers["tools/call"] = trickling(begin)
    async with mcp.toolset([http_server(wire.url, timeout_s=20.0)]) as tools:
        result = await asyncio.wait_for(tool(tools, "echo").call({}), 30)
    assert result.failed
    assert "an answer of more than 1 MiB was not complete within 0.5 s" in result.text


async def test_one_bot_takes_one_place_for_large_answers(mcp: McpClient, wire: WireServer) -> None:
    """With a place for each server, these would take all of them."""
    wire.answers["tools/call"] = trickling(as_json)
    plans = [http_server(wire.url, f"s{it}", timeout_s=20.0) for it in range(MAX_LARGE)]
    async with WireServer() as others, mcp.toolset(plans) as tools:
        calls = [asyncio.create_task(it.call({})) for it in tools.tools]
        await eventually(
            lambda: wire.methods().count("tools/call") == MAX_LARGE, within_s=30, what="the calls"
        )
        await asyncio.sleep(0.3)
        others.answers["tools/call"] = large
        async with mcp.toolset([http_server(others.url, timeout_s=3.0)]) as theirs:
            result = await theirs.tools[0].call({})
            assert not result.failed, result.text
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)


# Connections


async def hang(rpc: Rpc) -> web.StreamResponse:
    return await rpc.hang()


async def cut(rpc: Rpc) -> web.StreamResponse:
    await events(rpc)
    assert rpc.request.transport is not None
    rpc.request.transport.abort()
    return await rpc.hang()


async def refuse(_: Rpc) -> web.StreamResponse:
    return web.Response(status=500)


async def test_servers_that_hang_hold_up_no_other_namespace(
    mcp: McpClient, wire: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "WAIT_S", 0.3)
    most = connections.MAX_CONNECTIONS
    async with WireServer() as others:
        well = [http_server(others.url)]
        async with mcp.toolset([http_server(wire.url)], namespace="a") as held:
            wire.answers["tools/call"] = hang
            calls = [asyncio.create_task(held.tools[0].call({})) for _ in range(most)]
            await eventually(
                lambda: wire.methods().count("tools/call") == most, within_s=30, what="the calls"
            )
            async with mcp.toolset(well, namespace="a") as tools:
                assert not tools.tools
                (notice,) = tools.notices
            async with mcp.toolset(well, namespace="b") as tools:
                assert await tool(tools, "echo").call({}) == ToolOutput("{}")
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
        async with mcp.toolset(well, namespace="a") as tools:
            assert await tool(tools, "echo").call({}) == ToolOutput("{}")
    assert notice == (
        "MCP server it: the namespace already uses its connections to MCP servers in this runner,"
        " at most 64 and fewer while others need some;"
        " run fewer Tasks at once, or lower timeoutSeconds of slow servers; its tools are missing"
    )


@pytest.mark.parametrize("answer", [hang, cut, refuse, large, trickling(as_events)])
async def test_each_end_of_an_answer_frees_its_connection(
    mcp: McpClient, wire: WireServer, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 2)
    async with mcp.toolset([http_server(wire.url, timeout_s=0.5)], namespace="a") as tools:
        wire.answers["tools/call"] = answer
        for _ in range(3):
            await tool(tools, "echo").call({})
        del wire.answers["tools/call"]
        assert await tool(tools, "echo").call({}) == ToolOutput("{}")


async def test_the_end_of_a_session_over_sse_frees_its_connection(
    mcp: McpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 2)
    async with sdk_server("sse") as server, mcp.toolset([], namespace="a"):
        for _ in range(3):
            plan = http_server(server.url, transport="sse")
            async with mcp.toolset([plan], namespace="a") as tools:
                assert await tool(tools, "add").call({"a": 1, "b": 1}) == ToolOutput("2")
