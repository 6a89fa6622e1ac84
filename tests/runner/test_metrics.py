"""Metrics have few labels, are documented, and /metrics, logs and /healthz tell of the runner."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.runner.conftest import MakeTask
from tests.runner.test_load import metric
from tests.support.provider import Provider, Script
from tests.support.runner import RunnerProcess
from wegent_kube import KubeClient
from wegent_kube.event_recorder import EventRecorder
from wegent_runner.telemetry.metrics import Metrics, provider_label
from wegent_runner.telemetry.observer import Observer

PAGE = Path(__file__).parents[2] / "docs" / "observability.md"


def test_each_metric_is_documented_with_its_help() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for found in Metrics().registry.collect():
        name = found.name.removeprefix("wegent_runner_")
        name += "_total" if found.type == "counter" else ""
        assert f"| `{name}` | {found.type} | {found.documentation} |\n" in page


def test_each_event_is_documented() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for reason in ("Started", "Retrying", "FellBack", "HistoryShortened", "GivenBack"):
        assert f"| `{reason}` |" in page


def test_users_cant_make_labels() -> None:
    assert provider_label("openai") == "openai"
    assert {provider_label(f"mine-{number}") for number in range(9)} == {"other"}


def test_tokens_and_cost_are_counted_by_provider() -> None:
    metrics = Metrics()
    client: KubeClient = None  # type: ignore[assignment]  # nothing is posted
    observer = Observer(metrics, EventRecorder(client, "c", "i"))
    observer.call_ended("openai", input_=7, cached=2, output=3, cost=Decimal("0.25"))
    observer.call_ended("mine", input_=1, cached=0, output=1, cost=None)
    read = metrics.registry.get_sample_value
    tokens = "wegent_runner_tokens_total"
    assert read(tokens, {"direction": "input", "provider": "openai"}) == 7
    assert read(tokens, {"direction": "output", "provider": "other"}) == 1
    assert read("wegent_runner_cost_usd_total", {"provider": "openai"}) == 0.25


@pytest.mark.usefixtures("operator", "no_other_tasks")
async def test_a_runner_tells_of_its_work(
    runner_kubeconfig: Path,
    tmp_path: Path,
    provider: Provider,
    make_task: MakeTask,
    ended: MakeTask,
) -> None:
    process = RunnerProcess(
        runner_kubeconfig, tmp_path / "log", store_url=f"sqlite:///{tmp_path}/s.db", slots="7"
    )
    process.start()
    try:
        failed = Script(status=503, body={"error": {"message": "down"}})
        provider.script = lambda _: failed if len(provider.calls) == 1 else Script()
        await make_task(prompt="a secret prompt")
        await ended()
        assert metric(process, "slots") == 7
        assert metric(process, 'claims_total{result="claimed"}') == 1
        assert metric(process, 'runs_total{phase="Completed",reason=""}') == 1
        assert metric(process, "queue_wait_seconds_count") == 1
        assert metric(process, "first_text_seconds_count") == 1
        assert metric(process, 'tokens_total{direction="output",provider="openai"}') == 4
        errors = 'provider_errors_total{provider="openai",reason='
        _, page = process.get("/metrics")
        assert f"wegent_runner_{errors}" in page
        assert metric(process, "store_ready") == 1
        assert process.get("/healthz") == (200, "ok\n")
    finally:
        assert process.stop() == 0, process.tail()
    lines = [json.loads(line) for line in process.log.read_text().splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    assert "a secret prompt" not in process.log.read_text()
