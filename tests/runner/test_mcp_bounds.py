"""What one MCP server, and one user's, may take of a runner that others share."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from tests.support.mcp_servers import http_server, mcp_client
from tests.support.mcp_wire import Rpc, WireServer
from wegent_runner.agents.mcp import McpClient
from wegent_runner.agents.mcp_listing import CURSOR_MAX_CHARACTERS, LISTING_MAX_BYTES, Sieve
from wegent_runner.agents.mcp_schemas import SCHEMA_MAX_CHARACTERS


@pytest.fixture
async def mcp() -> AsyncIterator[McpClient]:
    async with mcp_client() as client:
        yield client


@pytest.fixture
async def wire() -> AsyncIterator[WireServer]:
    async with WireServer() as server:
        yield server


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
