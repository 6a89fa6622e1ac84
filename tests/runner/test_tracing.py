"""Spans of a runner, where an endpoint for them is set: they hold no contents."""

import asyncio
from pathlib import Path

import pytest

from tests.runner.conftest import MakeTask
from tests.support.collector import attributes_of, collector
from tests.support.provider import Provider, Script
from tests.support.runner import RunnerProcess

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
    calls = [it for it in spans if attributes_of(it).get("gen_ai.request.model") == "gpt-4"]
    assert len(calls) == 1
    assert attributes_of(calls[0])["gen_ai.operation.name"] == "chat"
    for secret in (b"secret prompt", b"secret answer", b"You help."):
        assert secret not in collected.raw
