"""A Bot with more MCP servers than a run opens."""

import pytest

from tests.support.mcp_servers import http_server
from tests.support.mcp_wire import WireServer
from wegent_runner.agents.mcp.client import MAX_SERVERS, McpClient, RequiredServerDown


async def test_the_first_servers_are_opened_and_the_others_are_told(
    mcp: McpClient, wire: WireServer
) -> None:
    plans = [http_server(wire.url, f"s{number}") for number in range(MAX_SERVERS + 12)]
    async with mcp.toolset(plans) as tools:
        assert {it.spec.server for it in tools.tools} == {f"s{it}" for it in range(MAX_SERVERS)}
        (notice,) = tools.notices
    assert wire.methods().count("initialize") == MAX_SERVERS
    named = ", ".join(f"s{MAX_SERVERS + number}" for number in range(10))
    assert notice == (
        f"MCP servers {named} and 2 more are left out: a Bot has at most {MAX_SERVERS} MCP"
        " servers; use fewer Skills that bring servers"
    )


async def test_a_run_fails_without_a_required_one(mcp: McpClient, wire: WireServer) -> None:
    plans = [http_server(wire.url, f"s{number}") for number in range(MAX_SERVERS)]
    with pytest.raises(RequiredServerDown, match=r"MCP server last: a Bot has at most"):
        async with mcp.toolset([*plans, http_server(wire.url, "last", required=True)]):
            pass
    assert wire.received == []
