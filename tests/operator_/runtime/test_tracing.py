"""Traces of the operator's work, where an endpoint for them is set."""

import asyncio
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.collector import attributes_of, collector
from tests.support.operator import OperatorProcess


async def test_a_verdict_and_its_write_are_one_trace(
    api: Api,
    namespace: str,
    operator_kubeconfig: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with collector() as collected:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.url)
        log = operator_kubeconfig.with_name("traced.log")
        with OperatorProcess(operator_kubeconfig, log) as traced:
            await asyncio.to_thread(traced.settle)
            await api.create("ghosts", namespace, "g", {"systemPrompt": "You help."})
            await api.settled("ghosts", namespace, "g")
            assert await asyncio.to_thread(traced.stop) == 0
    spans = [span for service, span in collected.spans if service == "wegent-operator"]
    about = f"Ghost {namespace}/g"
    verdicts = {it.span_id for it in spans if attributes_of(it).get("wegent.object") == about}
    writes = [span for span in spans if span.name == "PATCH" and span.parent_span_id in verdicts]
    assert len(writes) == 1
    assert b"You help." not in collected.raw
