"""Tools of real MCP servers, in both languages and over both transports."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.support.mcp_servers import (
    NODE,
    Process,
    everything_server,
    http_server,
    sdk_server,
)
from wegent_runner.agents.mcp.client import McpClient, McpTool, McpToolset
from wegent_runner.engine.tools import RESULT_MAX_CHARACTERS, ToolOutput

needs_node = pytest.mark.skipif(not NODE, reason="node is not installed")


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[Process]:
    async with sdk_server() as process:
        yield process


def tool(tools: McpToolset, name: str) -> McpTool:
    """Return the tool that the server has under a name."""
    offered = (it for it in tools.tools if isinstance(it, McpTool))
    return next(it for it in offered if it.own_name == name)


@pytest.mark.parametrize("transport", ["streamable-http", "json", "sse"])
async def test_the_python_sdk(mcp: McpClient, transport: str) -> None:
    async with sdk_server(transport) as process:
        plan = http_server(process.url, transport="sse" if transport == "sse" else "http")
        async with mcp.toolset([plan]) as tools:
            assert tools.notices == []
            add = tool(tools, "add")
            assert (add.spec.name, add.spec.server, add.spec.repeatable) == ("add", "it", True)
            assert add.spec.description == "Add two numbers."
            assert add.spec.parameters["required"] == ["a", "b"]
            assert await add.call({"a": 1, "b": 2}) == ToolOutput("3")
            wrong = await add.call({"a": 1, "b": "two"})
            assert wrong.failed
            assert "valid integer" in wrong.text
            failed = await tool(tools, "fails").call({})
            assert failed.failed
            assert "fails" in failed.text
            picture = await tool(tools, "picture").call({"size": 1234})
            assert picture.text == "a picture\n[image/png, 1,234 bytes, left out]"
            dotted = tool(tools, "with.dots")
            assert dotted.spec.name == "it_with_dots"
            assert await dotted.call({}) == ToolOutput("dotted")
            unknown = McpTool(add.spec, add.server, "no_such_tool")
            assert (await unknown.call({})).failed


@needs_node
@pytest.mark.parametrize("transport", ["streamableHttp", "sse"])
async def test_the_typescript_sdk(mcp: McpClient, transport: str) -> None:
    async with everything_server(transport) as process:
        plan = http_server(process.url, transport="sse" if transport == "sse" else "http")
        async with mcp.toolset([plan]) as tools:
            assert tools.notices == []
            echo = await tool(tools, "echo").call({"message": "hello"})
            assert echo == ToolOutput("Echo: hello")
            image = await tool(tools, "get-tiny-image").call({})
            assert "[image/png, " in image.text
            structured = await tool(tools, "get-structured-content").call({"location": "Chicago"})
            assert structured.text.count("temperature") == 1
            several = [tool(tools, "get-sum").call({"a": n, "b": 1}) for n in range(16)]
            sums = await asyncio.gather(*several)
            assert [f" {n + 1}." in it.text for n, it in enumerate(sums)] == [True] * 16


async def test_a_result_of_5_mb_is_cut(mcp: McpClient, server: Process) -> None:
    """The SDK sends it twice: as text, and as structured content."""
    async with mcp.toolset([http_server(server.url)]) as tools:
        result = await tool(tools, "large").call({"size": 5_000_000})
    assert len(result.text) == RESULT_MAX_CHARACTERS
    assert result.text.endswith("[cut: 5,000,000 characters, of which these are the first]")
    assert not result.failed


async def test_a_result_that_is_too_large_fails_alone(mcp: McpClient, server: Process) -> None:
    async with mcp.toolset([http_server(server.url)]) as tools:
        large, add = await asyncio.gather(
            tool(tools, "large").call({"size": 20_000_000}),
            tool(tools, "add").call({"a": 1, "b": 2}),
        )
        assert large.failed
        assert "more than fits into one answer" in large.text
        assert add == ToolOutput("3")


async def test_many_large_results_wait_for_room(mcp: McpClient, server: Process) -> None:
    async with mcp.toolset([http_server(server.url)]) as tools:
        calls = [tool(tools, "large").call({"size": 1_500_000}) for _ in range(12)]
        results = await asyncio.gather(*calls)
    assert not any(it.failed for it in results)


async def test_allowed_tools(mcp: McpClient, server: Process) -> None:
    plan = http_server(
        server.url,
        allowed_tools=("add", "no-such", "fails"),
        require_approval=("fails", "lost"),
    )
    async with mcp.toolset([plan]) as tools:
        assert [(it.spec.name, it.spec.needs_approval) for it in tools.tools] == [
            ("add", False),
            ("fails", True),
        ]
        assert tools.notices == [
            "MCP server it: allowedTools names tools that the server doesn't have: no-such",
            "MCP server it: requireApproval names tools that the server doesn't have: lost",
        ]


async def test_all_tools_may_need_approval(mcp: McpClient, server: Process) -> None:
    async with mcp.toolset([http_server(server.url, require_approval=("*",))]) as tools:
        assert all(it.spec.needs_approval for it in tools.tools)
        assert tools.notices == []


async def test_two_servers_with_the_same_tools(mcp: McpClient, server: Process) -> None:
    plans = [
        http_server(server.url, name="left", allowed_tools=("add",)),
        http_server(server.url, name="right", allowed_tools=("add", "large")),
    ]
    async with mcp.toolset(plans, reserved={"large"}) as tools:
        names = [it.spec.name for it in tools.tools]
        assert names == ["left_add", "right_add", "right_large"]
        assert await tools.tools[1].call({"a": 2, "b": 2}) == ToolOutput("4")


async def test_servers_are_opened_at_the_same_time(mcp: McpClient, server: Process) -> None:
    nobody = "http://127.0.0.1:9/mcp"
    plans = [
        http_server(server.url, name="up"),
        http_server(nobody, name="down"),
        http_server(server.url + "/other", name="elsewhere"),
    ]
    began = time.monotonic()
    async with mcp.toolset(plans) as tools:
        assert {it.spec.server for it in tools.tools} == {"up"}
        down, elsewhere = tools.notices
        assert down == "MCP server down: can't connect to 127.0.0.1; its tools are missing"
        assert "HTTP 404; url must be the address of its MCP endpoint" in elsewhere
    assert time.monotonic() - began < 5.0


async def test_a_run_without_servers(mcp: McpClient) -> None:
    async with mcp.toolset([]) as tools:
        assert (tools.tools, tools.notices) == ([], [])
