"""One test of a Model, with a caller that answers, hangs, is cut, or is silent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any, cast

import pytest

from tests.support.provider import Provider, Script
from tests.support.waiting import eventually
from wegent_kube import ApiError, KubeClient, KubeError
from wegent_kube.event_recorder import EventRecorder
from wegent_runner.engine.egress import EgressPolicy
from wegent_runner.engine.keys import Keys
from wegent_runner.engine.model_stream import ModelCaller
from wegent_runner.engine.model_test import MAX_TOKENS, ModelTester
from wegent_runner.limits.limits import Caller, LimitedCall, Unlimited
from wegent_runner.plan.plan import ModelPlan
from wegent_runner.telemetry.metrics import Metrics
from wegent_runner.telemetry.observer import Observer, stopwatch


class Cluster:
    """Has one Model."""

    def __init__(self, provider: Provider) -> None:
        self.spec: dict[str, Any] = {"provider": "openai", "model": "gpt", "baseUrl": provider.url}
        self.failure: KubeError | None = None

    async def request(self, method: str, path: str) -> dict[str, Any]:
        assert (method, path) == ("GET", "/apis/agent.wecode.io/v1/namespaces/ns/models/m")
        if self.failure:
            raise self.failure
        metadata = {"namespace": "ns", "name": "m", "uid": "u", "resourceVersion": "1"}
        return {"metadata": {**metadata, "generation": 1}, "spec": self.spec}


@pytest.fixture
def cluster(provider: Provider) -> Cluster:
    return Cluster(provider)


@pytest.fixture
async def tester(cluster: Cluster) -> AsyncIterator[ModelTester]:
    client = cast("KubeClient", cluster)
    async with ModelCaller(Keys(client), EgressPolicy([ip_network("127.0.0.0/8")])) as caller:
        observer = Observer(Metrics(), cast("EventRecorder", None))
        yield ModelTester(client, caller, observer, Unlimited(), timeout_s=2)


async def test_a_provider_that_hangs_is_left_in_time(
    tester: ModelTester, provider: Provider
) -> None:
    provider.script = lambda _: Script(hang_after=1)
    async with asyncio.timeout(30):
        result = await tester.test("ns", "m", "id")
    assert result is not None
    assert result["error"] == {
        "reason": "Timeout",
        "message": "Model ns/m: the answer was not complete within 2 s",
    }
    assert 2000 <= result["totalMilliseconds"] < 5000
    [call] = provider.calls
    await eventually(lambda: call.ended_at is not None, within_s=30, what="the closed connection")


async def test_an_answer_that_is_cut_is_a_failure(tester: ModelTester, provider: Provider) -> None:
    provider.script = lambda _: Script(cut_after=1)
    result = await tester.test("ns", "m", "id")
    assert result is not None
    assert result["succeeded"] is False
    assert result["error"]["message"].startswith("Model ns/m: ")


async def test_an_llm_that_has_no_tokens_left_for_a_text_has_answered(
    tester: ModelTester, provider: Provider
) -> None:
    provider.script = lambda _: Script(pieces=[], finish_reason="length")
    result = await tester.test("ns", "m", "id")
    assert result is not None
    assert result["succeeded"]
    assert "firstDeltaMilliseconds" not in result


@pytest.mark.parametrize(("own", "sent"), [(None, MAX_TOKENS), (4000, MAX_TOKENS), (3, 3)])
async def test_the_answer_is_short(
    tester: ModelTester, cluster: Cluster, provider: Provider, own: int | None, sent: int
) -> None:
    cluster.spec["maxTokens"] = own
    await tester.test("ns", "m", "id")
    [call] = provider.calls
    assert sent in (call.body.get("max_tokens"), call.body.get("max_completion_tokens"))


async def test_the_fallbacks_are_not_called(
    tester: ModelTester, cluster: Cluster, provider: Provider
) -> None:
    cluster.spec["fallbackRefs"] = [{"name": "other"}]
    provider.script = lambda _: Script(status=500, body={"error": {"message": "broken"}})
    result = await tester.test("ns", "m", "id")
    assert result is not None
    assert (result["error"]["reason"], len(provider.calls)) == ("ProviderError", 1)


class Busy:
    """Lets a call be made after some seconds."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s
        self.calls: list[LimitedCall] = []
        self.asked: list[Caller] = []

    @asynccontextmanager
    async def call(self, caller: Caller, _: ModelPlan) -> AsyncIterator[LimitedCall]:
        self.asked.append(caller)
        caller.waiting("waiting for a request: namespace ns may make 1 a minute")
        await asyncio.sleep(self.wait_s)
        self.calls.append(call := LimitedCall())
        yield call


@pytest.fixture
def busy(tester: ModelTester, monkeypatch: pytest.MonkeyPatch) -> Busy:
    limits = Busy(0.5)
    monkeypatch.setattr(tester, "_limits", limits)
    return limits


async def test_the_call_counts_for_the_models_namespace_and_a_wait_is_not_its_time(
    tester: ModelTester, busy: Busy
) -> None:
    elapsed_s = stopwatch()
    result = await tester.test("ns", "m", "id")
    assert result is not None
    assert result["succeeded"]
    assert result["totalMilliseconds"] <= (elapsed_s() - busy.wait_s) * 1000 + 1
    [call] = busy.calls
    assert call.tokens == 11
    assert [caller.namespace for caller in busy.asked] == ["ns"]


async def test_a_limit_that_takes_too_long_is_told(
    tester: ModelTester, busy: Busy, provider: Provider
) -> None:
    busy.wait_s = 60
    result = await tester.test("ns", "m", "id")
    assert result is not None
    assert result["error"] == {
        "reason": "Throttled",
        "message": "Model ns/m: waiting for a request: namespace ns may make 1 a minute",
    }
    assert not provider.calls


async def test_no_such_model(tester: ModelTester, cluster: Cluster) -> None:
    cluster.failure = ApiError(404, {"reason": "NotFound"})
    assert await tester.test("ns", "m", "id") is None
