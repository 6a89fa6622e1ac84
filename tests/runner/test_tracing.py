"""Spans of a runner, where an endpoint for them is set: they hold no contents."""

import asyncio
import base64
from pathlib import Path

import pytest
from aiohttp import web
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.runner.agents.conftest import MakeBot, Waiting, make_bot, waiting
from tests.runner.conftest import MakeTask
from tests.support.api import Api
from tests.support.collector import attributes_of, collector
from tests.support.mcp_wire import Rpc, WireServer
from tests.support.provider import Call, Provider, Script, calling
from tests.support.runner import RunnerProcess
from wegent_crds.api_keys import HOSTS_ANNOTATION, SECRET_TYPE
from wegent_kube.resources import SECRETS

__all__ = ["make_bot", "waiting"]

KEY = "sk-the-owners-secret"
pytestmark = pytest.mark.usefixtures("operator")


async def test_a_call_of_an_llm_is_a_span_without_its_contents(
    runner_kubeconfig: Path,
    tmp_path: Path,
    provider: Provider,
    make_task: MakeTask,
    ended: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider.script = lambda _: Script(pieces=["a secret ", "answer"])
    with collector() as collected:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.url)
        process = RunnerProcess(
            runner_kubeconfig, tmp_path / "log", store_url=f"sqlite:///{tmp_path}/s.db"
        )
        await asyncio.to_thread(process.start)
        await make_task(prompt="a secret prompt")
        await ended()
        assert await asyncio.to_thread(process.stop) == 0, process.tail()
    spans = [span for service, span in collected.spans if service == "wegent-runner"]
    # The runner may find Tasks of other tests, whose providers are gone.
    ports = [{it.value.int_value for it in span.attributes} for span in spans]
    ours = [span for span, its in zip(spans, ports, strict=True) if provider.port in its]
    assert [attributes_of(span)["gen_ai.operation.name"] for span in ours] == ["chat"]
    for secret in (b"secret prompt", b"secret answer", b"You help."):
        assert secret not in collected.raw


async def test_a_call_of_a_tool_is_a_span_without_its_contents(
    api: Api,
    namespace: str,
    runner_kubeconfig: Path,
    tmp_path: Path,
    provider: Provider,
    make_task: MakeTask,
    ended: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def called(rpc: Rpc) -> web.Response:
        failed = rpc.params["name"] == "fails"
        text = "a secret failure" if failed else "a secret result"
        return rpc.result({"content": [{"type": "text", "text": text}], "isError": failed})

    def calls(call: Call) -> Script:
        if not call.results:
            return calling(("echo", {"text": "a secret argument"}), ("fails", {}))
        return Script(pieces=["done"])

    provider.script = calls
    async with WireServer() as wire:
        wire.tools = [{"name": it, "inputSchema": {}} for it in ("echo", "fails")]
        wire.answers["tools/call"] = called
        servers = {"it": {"url": wire.url}}
        await api.merge("ghosts", namespace, "g", {"spec": {"mcpServers": servers}})
        for plural, name in (("ghosts", "g"), ("bots", "b")):
            await api.settled(plural, namespace, name)
        with collector() as collected:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.url)
            process = RunnerProcess(
                runner_kubeconfig, tmp_path / "log", store_url=f"sqlite:///{tmp_path}/s.db"
            )
            await asyncio.to_thread(process.start)
            await make_task()
            assert (await ended())["status"]["phase"] == "Completed"
            assert await asyncio.to_thread(process.stop) == 0, process.tail()
    spans = {
        span.name: attributes_of(span)
        for service, span in collected.spans
        if service == "wegent-runner" and span.name.startswith("execute_tool")
    }
    assert set(spans) == {"execute_tool echo", "execute_tool fails"}
    told = spans["execute_tool fails"]
    assert told["gen_ai.operation.name"] == "execute_tool"
    assert told["gen_ai.tool.name"] == "fails"
    assert told["gen_ai.tool.type"] == "extension"
    assert told["gen_ai.agent.name"] == f"{namespace}/b"
    assert told["wegent.mcp_server"] == "it"
    assert told["error.type"] == "tool_failed"
    assert "error.type" not in spans["execute_tool echo"]
    for secret in (b"secret argument", b"secret result", b"secret failure"):
        assert secret not in collected.raw


async def test_a_wait_for_people_is_no_failure_of_the_call_that_waits(
    api: Api,
    namespace: str,
    runner_kubeconfig: Path,
    tmp_path: Path,
    provider: Provider,
    make_bot: MakeBot,
    make_task: MakeTask,
    waiting: Waiting,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A member of a Team is a tool of its leader, and asks before it calls its own tool."""

    def calls(call: Call) -> Script:
        tool, *_ = call.tools
        return calling((tool, {"task": "Call echo."} if tool != "echo" else {}))

    provider.script = calls
    async with WireServer() as wire:
        wire.tools = [{"name": "echo", "inputSchema": {}}]
        servers = {"it": {"url": wire.url, "requireApproval": ["*"]}}
        leader, member = await make_bot("leader"), await make_bot("member", mcpServers=servers)
        bots = [{"name": leader, "role": "leader"}, {"name": member}]
        team = {"collaborationMode": "coordinate", "bots": bots}
        await api.create("teams", namespace, "team", team)
        await api.settled("teams", namespace, "team")
        with collector() as collected:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.url)
            process = RunnerProcess(
                runner_kubeconfig, tmp_path / "log", store_url=f"sqlite:///{tmp_path}/s.db"
            )
            await asyncio.to_thread(process.start)
            await make_task(botRef=None, teamRef={"name": "team"})
            await waiting()
            assert await asyncio.to_thread(process.stop) == 0, process.tail()
    (span,) = (it for _, it in collected.spans if it.name.startswith("execute_tool"))
    assert attributes_of(span)["gen_ai.agent.name"] == f"{namespace}/leader"
    assert "error.type" not in attributes_of(span)
    assert span.status.code == Status.STATUS_CODE_UNSET


async def test_a_call_that_fails_is_a_span_without_the_key_and_the_words_of_the_provider(
    api: Api,
    namespace: str,
    runner_kubeconfig: Path,
    tmp_path: Path,
    provider: Provider,
    make_task: MakeTask,
    ended: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hosts = {HOSTS_ANNOTATION: f"http://127.0.0.1:{provider.port}"}
    secret = {
        "metadata": {"name": "owners", "annotations": hosts},
        "type": SECRET_TYPE,
        "stringData": {"key": KEY},
    }
    await api.client.request("POST", SECRETS.path(namespace), body=secret)
    reference = {"apiKeySecretRef": {"name": "owners", "key": "key"}}
    await api.merge("models", namespace, "m", {"spec": reference})
    echo = {"error": {"message": f"{KEY} was sent with: a secret prompt", "code": KEY}}
    provider.script = lambda _: Script(status=401, headers={"X-Echo": KEY}, body=echo)
    with collector() as collected:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.url)
        process = RunnerProcess(
            runner_kubeconfig, tmp_path / "log", store_url=f"sqlite:///{tmp_path}/s.db"
        )
        await asyncio.to_thread(process.start)
        await make_task(prompt="a secret prompt")
        message = (await ended())["status"]["message"]
        assert message.endswith("the provider refused the API key (HTTP 401)")
        assert await asyncio.to_thread(process.stop) == 0, process.tail()
    assert provider.calls[0].headers["Authorization"] == f"Bearer {KEY}"
    spans = [span for service, span in collected.spans if service == "wegent-runner"]
    assert [it for it in spans if attributes_of(it).get("gen_ai.request.model") == "gpt-4"]
    for told in (KEY, base64.b64encode(KEY.encode()).decode(), "secret prompt", "was sent with"):
        assert told.encode() not in collected.raw
