"""Spans of a runner, where an endpoint for them is set: they hold no contents."""

import asyncio
import base64
from pathlib import Path

import pytest

from tests.runner.conftest import MakeTask
from tests.support.api import Api
from tests.support.collector import attributes_of, collector
from tests.support.provider import Provider, Script
from tests.support.runner import RunnerProcess
from wegent_crds.api_keys import HOSTS_ANNOTATION, SECRET_TYPE
from wegent_kube.resources import SECRETS

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
