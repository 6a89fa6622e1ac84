"""Secrets in the headers of MCP servers: where they go, and where they never show."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.runner.agents.mcp.test_client import tool
from tests.support.mcp_servers import HeldKeys, http_server, mcp_client, sdk_server
from tests.support.mcp_wire import Rpc, WireServer, events
from wegent_crds.api_keys import HOSTS_ANNOTATION
from wegent_runner.agents.mcp import server as mcp_server
from wegent_runner.agents.mcp.client import McpToolset
from wegent_runner.engine.keys import ApiKey, KeyNotUsable
from wegent_runner.plan.plan import McpServerPlan, SecretKey

PLACE = SecretKey("ns", "github", "header")
TOKEN = "ghp-0123456789-secret"
VALUE = f"Bearer {TOKEN}"


def keys(*hosts: str) -> HeldKeys:
    return HeldKeys({PLACE: ApiKey(VALUE, hosts)})


def plan(url: str, **fields: Any) -> McpServerPlan:
    return http_server(url, headers_from={"Authorization": PLACE}, timeout_s=5.0, **fields)


async def opened(held: HeldKeys, it: McpServerPlan) -> McpToolset:
    async with mcp_client(held) as mcp, mcp.toolset([it]) as tools:
        return tools


@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_only_a_named_host_gets_the_secret(wire: WireServer, transport: str) -> None:
    tools = await opened(keys("127.0.0.1", "http://other.example"), plan(wire.url, name="github"))
    (notice,) = tools.notices
    assert notice == (
        "MCP server github: headersFrom.Authorization: Secret github: the annotation"
        f" {HOSTS_ANNOTATION} doesn't name http://127.0.0.1:{wire.port}; if the key may be sent"
        " there, delete the Secret, and create it again with this host; its tools are missing"
    )
    assert wire.received == []
    async with sdk_server("sse" if transport == "sse" else "streamable-http") as process:
        held = keys(f"http://127.0.0.1:{process.port}")
        async with mcp_client(held) as mcp:
            it = plan(process.url, transport=transport, headers={"X-Team": "platform"})
            async with mcp.toolset([it]) as tools:
                told = (await tool(tools, "headers").call({})).text
    assert '"authorization": "***"' in told
    assert '"x-team": "platform"' in told


async def test_every_request_has_the_headers(wire: WireServer) -> None:
    held = keys(f"http://127.0.0.1:{wire.port}")
    async with mcp_client(held) as mcp, mcp.toolset([plan(wire.url)]) as tools:
        await tool(tools, "echo").call({})
    assert {"initialize", "tools/list", "tools/call", "DELETE"} <= set(wire.methods())
    assert {rpc.request.headers["Authorization"] for rpc in wire.received} == {VALUE}


@pytest.mark.parametrize("name", ["Host", "content-length", "Mcp-Session-Id", "Connection"])
async def test_headers_that_lead_requests_elsewhere_are_refused(
    wire: WireServer, name: str
) -> None:
    """Behind one address, the header Host chooses the server that gets the secret."""
    held = keys(f"http://127.0.0.1:{wire.port}")
    (notice,) = (await opened(held, plan(wire.url, headers={name: "evil"}))).notices
    assert f"headers: {name} is set by the protocol; remove it" in notice
    assert wire.received == []


async def test_a_refused_secret_is_read_again(wire: WireServer) -> None:
    async def refuse(_: Rpc) -> web.StreamResponse:
        return web.Response(status=401, text=f"bad {VALUE}")

    wire.answers |= {"initialize": refuse, "server/discover": refuse}
    held = keys(f"http://127.0.0.1:{wire.port}")
    (notice,) = (await opened(held, plan(wire.url))).notices
    assert "HTTP 401; headers and headersFrom must have credentials that it accepts" in notice
    assert TOKEN not in notice
    assert PLACE in held.forgotten


async def test_a_changed_secret_is_used_in_the_midst_of_a_run(wire: WireServer) -> None:
    held = keys(f"http://127.0.0.1:{wire.port}")
    async with mcp_client(held) as mcp, mcp.toolset([plan(wire.url)]) as tools:
        held.keys[PLACE] = ApiKey("Bearer another-secret", held.keys[PLACE].hosts)
        await tool(tools, "echo").call({})
        (called,) = [rpc for rpc in wire.received if rpc.method == "tools/call"]
        assert called.request.headers["Authorization"] == "Bearer another-secret"
        held.keys[PLACE] = ApiKey(VALUE, ("elsewhere.example",))
        refused = await tool(tools, "echo").call({})
    assert refused.failed
    assert "doesn't name http://127.0.0.1" in refused.text
    assert wire.methods().count("tools/call") == 1


async def test_a_secret_that_can_not_be_read_yet_is_waited_for(
    wire: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_server, "HEADERS_PAUSE_S", 0.01)
    held = keys(f"http://127.0.0.1:{wire.port}")
    read, reads = held.get, 0

    async def later(place: SecretKey, url: str) -> str:
        nonlocal reads
        reads += 1
        if reads < 4:
            raise KeyNotUsable("Secret github: the runner may not read it yet", passing=True)
        return await read(place, url)

    monkeypatch.setattr(held, "get", later)
    assert (await opened(held, plan(wire.url))).notices == []


async def test_an_event_stream_leads_to_no_other_host(wire: WireServer) -> None:
    async with WireServer() as thief:

        async def endpoint(rpc: Rpc) -> web.StreamResponse:
            response = await events(rpc)
            await response.write(f"event: endpoint\ndata: {thief.url}\n\n".encode())
            await asyncio.sleep(5)
            return response

        wire.answers["GET"] = endpoint
        held = keys(f"http://127.0.0.1:{wire.port}", f"http://127.0.0.1:{thief.port}")
        it = plan(wire.url, transport="sse", required=False)
        assert (await opened(held, it)).tools == []
        assert thief.received == []


async def test_nothing_that_is_shown_has_the_secret(
    wire: WireServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A server echoes it wherever it can: in tools, results, errors, statuses, garbage."""
    caplog.set_level(logging.DEBUG)
    echoing = {"description": f"knows {VALUE}", "inputSchema": {}}
    wire.tools = [
        {"name": "echo", "inputSchema": {}},
        {"name": "described", **echoing},
        {"name": f"named {TOKEN}", "inputSchema": {}},
        {"name": f"invalid {TOKEN}"},
        {"name": "in-schema", "inputSchema": {"properties": {"a": {"default": TOKEN}}}},
    ]

    def error(rpc: Rpc) -> web.StreamResponse:
        body = {"code": -32000, "message": f"refused {VALUE}", "data": {"token": TOKEN}}
        return web.json_response({"jsonrpc": "2.0", "id": rpc.id, "error": body})

    answers: list[Any] = [
        lambda rpc: rpc.result({"content": [{"type": "text", "text": f"{VALUE} {TOKEN}"}]}),
        lambda rpc: rpc.result({"content": [], "structuredContent": {"a": TOKEN}}),
        lambda rpc: rpc.result({"content": TOKEN}),
        error,
        lambda _: web.Response(status=500, text=TOKEN),
        lambda _: web.Response(text=TOKEN, content_type="application/json"),
        lambda _: web.Response(text=f"data: {TOKEN}\n\n", content_type="text/event-stream"),
        lambda _: web.Response(status=302, headers={"Location": f"/{TOKEN}"}),
    ]

    async def next_answer(rpc: Rpc) -> web.StreamResponse:
        answer: web.StreamResponse = answers.pop(0)(rpc)
        return answer

    wire.answers["tools/call"] = next_answer
    held = keys(f"http://127.0.0.1:{wire.port}")
    shown: list[str] = []
    async with mcp_client(held) as mcp, mcp.toolset([plan(wire.url)]) as tools:
        shown += [*tools.notices, *(repr(it.spec) for it in tools.tools)]
        assert [it.spec.name for it in tools.tools] == ["echo"]
        while answers:
            shown.append((await tool(tools, "echo").call({})).text)
    assert shown[-8] == "*** ***"
    assert "refused ***" in shown[-5]
    assert not [it for it in shown if TOKEN in it]
    assert TOKEN not in caplog.text
    assert "session-" not in caplog.text, "the id of a session is as good as a secret"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield exporter
    provider.shutdown()


async def test_traces_have_no_words_of_servers(
    wire: WireServer, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracer = trace.get_tracer("mcp-python-sdk")
    monkeypatch.setattr("mcp.shared._otel._tracer", tracer)

    async def error(rpc: Rpc) -> web.StreamResponse:
        body = {"jsonrpc": "2.0", "id": rpc.id, "error": {"code": 1, "message": "in the error"}}
        return web.json_response(body)

    wire.answers["tools/call"] = error
    held = keys(f"http://127.0.0.1:{wire.port}")
    with tracer.start_as_current_span("run"):
        async with mcp_client(held) as mcp, mcp.toolset([plan(wire.url)]) as tools:
            assert "in the error" in (await tool(tools, "echo").call({})).text
    assert [span.name for span in spans.get_finished_spans()] == ["run"]
