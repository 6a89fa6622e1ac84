"""MCP servers that hang, die, lie and never end."""

import asyncio
import json
import socket
import time
from typing import Any

import pytest
from aiohttp import web

from tests.runner.agents.mcp.test_client import tool
from tests.support.mcp_servers import (
    NODE,
    HeldKeys,
    everything_server,
    free_port,
    http_server,
    sdk_server,
)
from tests.support.mcp_wire import Answer, Rpc, WireServer, events
from tests.support.waiting import eventually
from wegent_runner.agents.mcp.client import McpClient, McpToolset, RequiredServerDown
from wegent_runner.agents.mcp.http import MAX_RESUMPTIONS
from wegent_runner.agents.mcp.listing import (
    DESCRIPTION_MAX_CHARACTERS,
    MAX_PAGES,
    MAX_TOOLS,
)
from wegent_runner.agents.mcp.server import UNKNOWN
from wegent_runner.engine.egress import EgressPolicy
from wegent_runner.engine.tools import ToolOutput
from wegent_runner.plan.plan import McpServerPlan


async def opened(mcp: McpClient, *plans: McpServerPlan) -> McpToolset:
    """Return the tools and notices of servers, after their sessions."""
    async with mcp.toolset(plans) as tools:
        return tools


async def call(mcp: McpClient, plan: McpServerPlan, name: str = "echo") -> ToolOutput:
    async with mcp.toolset([plan]) as tools:
        return await tool(tools, name).call({})


async def hang(rpc: Rpc) -> web.StreamResponse:
    return await rpc.hang()


async def begin_and_hang(rpc: Rpc) -> web.StreamResponse:
    await events(rpc)
    return await rpc.hang()


# Servers that hang


@pytest.mark.parametrize("method", ["initialize", "tools/list"])
@pytest.mark.parametrize("answer", [hang, begin_and_hang])
async def test_a_server_that_hangs_holds_up_no_other(
    mcp: McpClient, wire: WireServer, method: str, answer: Answer
) -> None:
    wire.answers[method] = answer
    async with WireServer() as well:
        began = time.monotonic()
        tools = await opened(
            mcp, http_server(wire.url, "ill", timeout_s=1.0), http_server(well.url, "well")
        )
    assert time.monotonic() - began < 2.5
    assert [it.spec.server for it in tools.tools] == ["well"]
    (notice,) = tools.notices
    assert notice.startswith("MCP server ill: ")
    assert "did not answer within 1 s" in notice or "SSE stream ended" in notice
    assert notice.endswith("; its tools are missing")


@pytest.mark.parametrize("answer", [hang, begin_and_hang])
async def test_a_call_that_hangs(mcp: McpClient, wire: WireServer, answer: Answer) -> None:
    wire.answers["tools/call"] = answer
    async with mcp.toolset([http_server(wire.url, timeout_s=1.0)]) as tools:
        began = time.monotonic()
        result = await tool(tools, "echo").call({})
        assert time.monotonic() - began < 2.0
        assert result.failed
        assert UNKNOWN in result.text
        del wire.answers["tools/call"]
        assert await tool(tools, "echo").call({"a": 1}) == ToolOutput('{"a": 1}')


async def test_a_call_of_which_a_byte_comes_now_and_then(mcp: McpClient, wire: WireServer) -> None:
    async def drip(rpc: Rpc) -> web.StreamResponse:
        response = await events(rpc)
        while True:
            await response.write(b": still here\n\n")
            await asyncio.sleep(0.05)

    wire.answers["tools/call"] = drip
    async with mcp.toolset([http_server(wire.url, timeout_s=1.0)]) as tools:
        assert (await tool(tools, "echo").call({})).failed
        (dripped,) = [rpc for rpc in wire.received if rpc.method == "tools/call"]
        await asyncio.wait_for(dripped.closed.wait(), 30)


@pytest.mark.parametrize("answer", [hang, begin_and_hang])
async def test_a_cancelled_run_closes_its_connections_within_a_second(
    mcp: McpClient, wire: WireServer, answer: Answer
) -> None:
    wire.answers |= {"tools/call": answer, "DELETE": hang, "notifications/cancelled": hang}

    async def run() -> None:
        async with mcp.toolset([http_server(wire.url)]) as tools:
            await tool(tools, "echo").call({})

    task = asyncio.create_task(run())
    await eventually(lambda: "tools/call" in wire.methods(), within_s=30, what="the call")
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 1.0
    (called,) = [rpc for rpc in wire.received if rpc.method == "tools/call"]
    await asyncio.wait_for(called.closed.wait(), 1.0 - (time.monotonic() - began))


async def test_a_run_cancelled_while_it_connects(mcp: McpClient, wire: WireServer) -> None:
    wire.answers["initialize"] = hang
    task = asyncio.create_task(opened(mcp, http_server(wire.url)))
    await eventually(lambda: "initialize" in wire.methods(), within_s=30, what="the session")
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 1.0


# Servers that die


async def test_killed_in_the_midst_of_a_call(mcp: McpClient) -> None:
    async with (
        sdk_server() as process,
        mcp.toolset([http_server(process.url, timeout_s=20.0)]) as tools,
    ):
        calling = asyncio.create_task(tool(tools, "sleeps").call({"seconds": 60}))
        await asyncio.sleep(0.5)
        process.kill()
        began = time.monotonic()
        result = await calling
        assert time.monotonic() - began < 3.0
        lost = f"MCP server it: the connection was lost; {UNKNOWN}"
        assert result == ToolOutput(lost, failed=True) or "SSE stream ended" in result.text
        again = await tool(tools, "add").call({"a": 1, "b": 1})
        assert again.text == "MCP server it: can't connect to 127.0.0.1"


@pytest.mark.skipif(not NODE, reason="node is not installed")
@pytest.mark.parametrize("transport", ["streamableHttp", "sse"])
async def test_the_typescript_server_killed_in_the_midst_of_a_call(
    mcp: McpClient, transport: str
) -> None:
    kind = "sse" if transport == "sse" else "http"
    async with everything_server(transport) as process:
        plan = http_server(process.url, transport=kind, timeout_s=20.0)
        async with mcp.toolset([plan]) as tools:
            long = tool(tools, "trigger-long-running-operation")
            began = time.monotonic()
            calling = asyncio.create_task(long.call({"duration": 60, "steps": 60}))
            await asyncio.sleep(1.5)
            process.kill()
            result = await calling
            assert time.monotonic() - began < 10.0
            assert result.failed, "it says that it may be repeated, and nobody listens"
            assert result.text.startswith("MCP server it: ")


@pytest.mark.parametrize("transport", ["streamable-http", "sse"])
async def test_killed_between_calls_and_started_again(mcp: McpClient, transport: str) -> None:
    port, kind = free_port(), "sse" if transport == "sse" else "http"
    async with (
        sdk_server(transport, port) as first,
        mcp.toolset([http_server(first.url, transport=kind)]) as tools,
    ):
        add = tool(tools, "add")
        assert await add.call({"a": 1, "b": 1}) == ToolOutput("2")
        first.kill()
        await first.process.wait()
        async with sdk_server(transport, port):
            both = await asyncio.gather(add.call({"a": 2, "b": 2}), add.call({"a": 3, "b": 3}))
            assert list(both) == [ToolOutput("4"), ToolOutput("6")]


async def test_a_lost_session_costs_a_new_one_and_no_call(mcp: McpClient, wire: WireServer) -> None:
    """404 stands for an unknown session, and the server has not begun the call."""
    sessions: list[str] = []

    async def forgetful(rpc: Rpc) -> web.StreamResponse:
        sessions.append(rpc.request.headers["mcp-session-id"])
        if len(set(sessions)) == 1:
            return web.Response(status=404)
        return rpc.result({"content": [{"type": "text", "text": "done"}]})

    wire.answers["tools/call"] = forgetful
    async with mcp.toolset([http_server(wire.url)]) as tools:
        echo = tool(tools, "echo")
        both = await asyncio.gather(echo.call({}), echo.call({}))
        assert list(both) == [ToolOutput("done")] * 2
    assert len(set(sessions)) == 2, "two calls share one new session"


@pytest.mark.parametrize("repeatable", [True, False])
async def test_a_call_whose_answer_is_cut_is_made_again_if_that_does_no_harm(
    mcp: McpClient,
    wire: WireServer,
    repeatable: bool,  # noqa: FBT001
) -> None:
    wire.tools = [
        {"name": "echo", "inputSchema": {}, "annotations": {"idempotentHint": repeatable}}
    ]

    async def cut_once(rpc: Rpc) -> web.StreamResponse:
        if wire.methods().count("tools/call") > 1:
            return rpc.result({"content": [{"type": "text", "text": "done"}]})
        await events(rpc)
        assert rpc.request.transport is not None
        rpc.request.transport.abort()
        return await rpc.hang()

    wire.answers["tools/call"] = cut_once
    result = await call(mcp, http_server(wire.url))
    assert wire.methods().count("tools/call") == (2 if repeatable else 1)
    assert result.failed is not repeatable
    assert (result.text == "done") is repeatable


async def test_a_cut_answer_is_resumed(mcp: McpClient, wire: WireServer) -> None:
    async def cut(rpc: Rpc) -> web.StreamResponse:
        wire.answers["GET"] = resume(rpc.id)
        return await events(rpc, id="7", retry="10")

    def resume(number: Any) -> Answer:
        async def rest(rpc: Rpc) -> web.StreamResponse:
            assert rpc.request.headers["last-event-id"] == "7"
            result = {"content": [{"type": "text", "text": "resumed"}]}
            return await events(rpc, {"id": number, "result": result})

        return rest

    wire.answers["tools/call"] = cut
    assert await call(mcp, http_server(wire.url)) == ToolOutput("resumed")
    assert wire.methods().count("tools/call") == 1


async def test_an_answer_that_is_cut_for_ever_is_not_resumed_for_ever(
    mcp: McpClient, wire: WireServer
) -> None:
    async def cut(rpc: Rpc) -> web.StreamResponse:
        return await events(rpc, id="7", retry="0")

    wire.answers |= {"tools/call": cut, "GET": cut}
    result = await call(mcp, http_server(wire.url, timeout_s=20.0))
    assert result.failed
    assert UNKNOWN in result.text
    assert wire.methods().count("GET") <= MAX_RESUMPTIONS


# Servers that are required


async def test_a_required_server_that_is_down(mcp: McpClient, wire: WireServer) -> None:
    wire.answers["initialize"] = hang
    plans = [
        http_server(wire.url, "slow", timeout_s=30.0),
        http_server("http://127.0.0.1:9/", "needed", required=True),
    ]
    began = time.monotonic()
    with pytest.raises(RequiredServerDown) as caught:
        await opened(mcp, *plans)
    assert time.monotonic() - began < 2.0, "the others need not be waited for"
    assert caught.value.reason == "McpServerUnavailable"
    assert str(caught.value) == (
        "MCP server needed: can't connect to 127.0.0.1; the run needs it (required: true)"
    )


# Servers that lie


async def test_endless_pages(mcp: McpClient, wire: WireServer) -> None:
    async def page(rpc: Rpc) -> web.StreamResponse:
        number = int(rpc.params.get("cursor", "0"))
        tools = [{"name": f"tool{number}", "inputSchema": {}}]
        return rpc.result({"tools": tools, "nextCursor": str(number + 1)})

    wire.answers["tools/list"] = page
    tools = await opened(mcp, http_server(wire.url))
    assert wire.methods().count("tools/list") == MAX_PAGES
    assert len(tools.tools) == MAX_PAGES
    assert tools.notices == ["MCP server it has more than 100 tools; set allowedTools"]


async def test_a_page_that_leads_to_itself(mcp: McpClient, wire: WireServer) -> None:
    async def page(rpc: Rpc) -> web.StreamResponse:
        return rpc.result({"tools": wire.tools, "nextCursor": "again"})

    wire.answers["tools/list"] = page
    tools = await opened(mcp, http_server(wire.url))
    assert [it.spec.name for it in tools.tools] == ["echo"]
    assert wire.methods().count("tools/list") == 2


async def test_ten_thousand_tools(mcp: McpClient, wire: WireServer) -> None:
    properties = {f"argument{n}": {"type": "string"} for n in range(5)}
    schema = {"type": "object", "properties": properties}
    wire.tools = [
        {"name": f"tool{n}", "description": "x" * 100, "inputSchema": schema} for n in range(10_000)
    ]
    tools = await opened(mcp, http_server(wire.url))
    assert len(tools.tools) == MAX_TOOLS
    many, first = tools.notices
    assert many == "MCP server it has more than 129 tools; set allowedTools"
    assert first.startswith("tools from 'tool128' of MCP server it on are left out")
    wanted = http_server(wire.url, allowed_tools=("tool9999", "tool5"))
    tools = await opened(mcp, wanted)
    assert [it.spec.name for it in tools.tools] == ["tool5", "tool9999"]


async def test_a_description_of_1_mb(mcp: McpClient, wire: WireServer) -> None:
    wire.tools = [{"name": "echo", "description": "d" * 1_000_000, "inputSchema": {}}]
    (echo,) = (await opened(mcp, http_server(wire.url))).tools
    assert len(echo.spec.description) == DESCRIPTION_MAX_CHARACTERS
    assert echo.spec.description.endswith("…")


async def test_invalid_tools_are_left_out_and_the_others_stay(
    mcp: McpClient, wire: WireServer
) -> None:
    wire.tools = [
        7,
        {"description": "no name", "inputSchema": {}},
        {"name": "no-schema"},
        {"name": "of-a-list", "inputSchema": {"type": "array"}},
        {"name": "bad-properties", "inputSchema": {"properties": {"a": 1}}},
        {"name": "bad-type", "inputSchema": {"properties": {"a": {"type": "strin"}}}},
        {"name": "large", "inputSchema": {"properties": {"a": {"default": "x" * 40_000}}}},
        {"name": "echo", "inputSchema": {}, "outputSchema": 7, "icons": 7, "annotations": 7},
        {"name": "echo", "inputSchema": {}, "description": "the same name again"},
    ]
    async with mcp.toolset([http_server(wire.url)]) as tools:
        assert [(it.spec.name, it.spec.description) for it in tools.tools] == [("echo", "")]
        assert await tools.tools[0].call({"a": 1}) == ToolOutput('{"a": 1}')
    (notice,) = tools.notices
    for left_out in ("no-schema", "of-a-list", "bad-properties", "bad-type", "large", "(no name)"):
        assert f"'{left_out}': " in notice


async def test_an_output_schema_with_a_pattern_that_takes_for_ever(
    mcp: McpClient, wire: WireServer
) -> None:
    """The SDK would check results against it, and block the runner."""
    wire.tools = [
        {
            "name": "echo",
            "inputSchema": {},
            "outputSchema": {"type": "object", "properties": {"a": {"pattern": "^(a+)+$"}}},
        }
    ]

    async def evil(rpc: Rpc) -> web.StreamResponse:
        return rpc.result({"content": [], "structuredContent": {"a": "a" * 40 + "b"}})

    wire.answers["tools/call"] = evil
    began = time.monotonic()
    assert not (await call(mcp, http_server(wire.url))).failed
    assert time.monotonic() - began < 2.0


@pytest.mark.parametrize(
    "result",
    [
        {"content": "text"},
        {"content": [{"type": "video"}]},
        {},
        {"content": [{"type": "image", "data": 5, "mimeType": "image/png"}]},
    ],
)
async def test_a_result_of_another_form(
    mcp: McpClient, wire: WireServer, result: dict[str, Any]
) -> None:
    async def odd(rpc: Rpc) -> web.StreamResponse:
        return rpc.result(result)

    wire.answers["tools/call"] = odd
    told = await call(mcp, http_server(wire.url))
    assert told == ToolOutput("MCP server it: the result has not the form of MCP", failed=True)


@pytest.mark.parametrize(
    ("body", "kind", "told"),
    [
        (b"<html>", "text/html", "Unexpected content type: text/html"),
        (b"{", "application/json", "Failed to parse JSON response"),
        (b"[" * 100_000, "application/json", "Failed to parse JSON response"),
        (b"data: {\n\n", "text/event-stream", "Failed to parse SSE message"),
    ],
)
async def test_an_answer_of_another_form(
    mcp: McpClient, wire: WireServer, body: bytes, kind: str, told: str
) -> None:
    async def odd(_: Rpc) -> web.StreamResponse:
        return web.Response(body=body, content_type=kind)

    wire.answers["tools/call"] = odd
    result = await call(mcp, http_server(wire.url))
    assert result.failed
    assert told in result.text
    assert len(result.text) < 600


async def test_what_a_server_asks_for_is_refused(mcp: McpClient, wire: WireServer) -> None:
    """Sampling would spend the owner's tokens; roots and elicitation would tell of a person."""
    answers: list[Any] = []

    async def take(rpc: Rpc) -> web.StreamResponse:
        answers.append(json.loads(await rpc.request.text()))
        return web.Response(status=202)

    async def asking(rpc: Rpc) -> web.StreamResponse:
        message = {"role": "user", "content": {"type": "text", "text": "hi"}}
        sample = {"messages": [message], "maxTokens": 5}
        form = {"message": "?", "requestedSchema": {"type": "object", "properties": {}}}
        requests: list[dict[str, Any]] = [
            {"id": "a", "method": "sampling/createMessage", "params": sample},
            {"id": "b", "method": "elicitation/create", "params": form},
            {"id": "c", "method": "roots/list"},
            {"method": "notifications/tools/list_changed"},
        ]
        response = await events(rpc, *requests)
        await eventually(lambda: len(answers) == 3, within_s=30, what="three answers")
        result = {"content": [{"type": "text", "text": "done"}]}
        text = json.dumps({"jsonrpc": "2.0", "id": rpc.id, "result": result})
        await response.write(f"data: {text}\n\n".encode())
        return response

    wire.answers |= {"answer": take, "tools/call": asking}
    assert await call(mcp, http_server(wire.url)) == ToolOutput("done")
    assert sorted(it["id"] for it in answers) == ["a", "b", "c"]
    assert all("not supported" in it["error"]["message"] for it in answers)
    (hello,) = [rpc for rpc in wire.received if rpc.method == "initialize"]
    assert hello.params["capabilities"] == {}
    assert wire.methods().count("tools/list") == 1, "a changed list counts in the next run"
    assert "GET" not in wire.methods(), "no stream is open for what the server asks for"


async def test_a_flood_of_messages_ends_the_call(mcp: McpClient, wire: WireServer) -> None:
    async def flood(rpc: Rpc) -> web.StreamResponse:
        response = await events(rpc)
        note = {"jsonrpc": "2.0", "method": "notifications/message", "params": {}}
        burst = f"data: {json.dumps(note)}\n\n".encode() * 1000
        while True:
            await response.write(burst)

    wire.answers["tools/call"] = flood
    result = await call(mcp, http_server(wire.url, timeout_s=20.0))
    assert result == ToolOutput(
        f"MCP server it: SSE stream ended without a response; {UNKNOWN}", failed=True
    )
    (flooded,) = [rpc for rpc in wire.received if rpc.method == "tools/call"]
    await asyncio.wait_for(flooded.closed.wait(), 30)


async def test_the_words_of_an_error_are_cut(mcp: McpClient, wire: WireServer) -> None:
    async def wordy(rpc: Rpc) -> web.StreamResponse:
        error = {"code": -32602, "message": "no\0 " + "x" * 100_000}
        return web.json_response({"jsonrpc": "2.0", "id": rpc.id, "error": error})

    wire.answers["tools/call"] = wordy
    result = await call(mcp, http_server(wire.url))
    assert result.failed
    assert len(result.text) < 600
    assert "\0" not in result.text


# Addresses that may not be called


@pytest.mark.parametrize("transport", ["http", "sse"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "[::1]"])
async def test_private_addresses_are_not_called(
    wire: WireServer, transport: str, host: str
) -> None:
    async with McpClient(HeldKeys(), EgressPolicy()) as mcp:
        url = f"http://{host}:{wire.port}/mcp"
        tools = await opened(mcp, http_server(url, transport=transport, timeout_s=5.0))
    (notice,) = tools.notices
    assert "is not a public address; the runner's setting egressAllow can allow it" in notice
    assert wire.received == []


async def test_the_checked_address_is_the_one_that_is_called(
    wire: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is public at the check and loopback a moment later."""
    answers = iter(["93.184.215.14"])

    def rebinding(_: str, port: int, *__: Any, **___: Any) -> list[Any]:
        address = (next(answers, "127.0.0.1"), port)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    async with McpClient(HeldKeys(), EgressPolicy()) as mcp:
        url = f"http://rebinding.example:{wire.port}/mcp"
        for _ in range(2):
            assert (await opened(mcp, http_server(url, timeout_s=1.0))).notices
    assert wire.received == []


@pytest.mark.parametrize("transport", ["http", "sse"])
@pytest.mark.parametrize("status", [301, 307, 308])
async def test_redirects_are_not_followed(
    mcp: McpClient, wire: WireServer, transport: str, status: int
) -> None:
    """The SDK itself would follow one that stays on the server."""

    async def redirect(_: Rpc) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": "/mcp?again"})

    wire.answers |= dict.fromkeys(("server/discover", "initialize", "GET"), redirect)
    tools = await opened(mcp, http_server(wire.url, transport=transport, timeout_s=5.0))
    (notice,) = tools.notices
    assert "redirects, which is not followed; set the new address" in notice
    assert not any(rpc.request.query_string for rpc in wire.received)
