"""Traces are sent if an endpoint for them is set."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster.controlplane import ControlPlane
from devcluster.kubeconfig import write_kubeconfig
from tests.api.conftest import ProxyFactory
from tests.api.fakes import headers_of, recorder
from tests.api.objects import BASE
from tests.api.users import PASSWORD, User
from tests.support.collector import Collector, attributes_of, collector
from tests.support.proxy import Client
from tests.support.websocket import connected

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collector() as it:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", it.url)
        yield it


async def test_a_request_and_what_came_of_it_are_one_trace(
    user: User, start_proxy: ProxyFactory, collected: Collector
) -> None:
    process = start_proxy()
    proxy = Client(user.client.session, process.url, user.client.token)
    headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "X-Request-Id": "traced.1"}
    (await proxy.get(f"{BASE}/ghosts/absent?namespace=default", headers=headers)).expect(404)
    login = {"username": user.name, "password": PASSWORD}
    (await proxy.post("/api/v1/auth/login", login)).expect(200)
    (await proxy.get("/healthz")).expect(200)
    assert await asyncio.to_thread(process.stop) == 0

    assert {service for service, _ in collected.spans} == {"wegent-api"}
    mine = [span for _, span in collected.spans if span.trace_id.hex() == TRACE]
    [served] = [span for span in mine if span.kind == span.SPAN_KIND_SERVER]
    [asked] = [span for span in mine if span.kind == span.SPAN_KIND_CLIENT]
    assert served.name == f"GET {BASE}/ghosts/{{name}}"
    assert attributes_of(served)["wegent.request_id"] == "traced.1"
    assert asked.start_time_unix_nano >= served.start_time_unix_nano
    assert any("/namespaces/default/ghosts/absent" in it for it in attributes_of(asked).values())
    assert not [span for _, span in collected.spans if "healthz" in span.name]


async def test_a_websocket_is_one_span(
    user: User, start_proxy: ProxyFactory, collected: Collector
) -> None:
    process = start_proxy()
    proxy = Client(user.client.session, process.url, user.client.token)
    headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "X-Request-Id": "traced.2"}
    async with connected(proxy, headers=headers) as socket:
        await socket.say("subscribe", id="1", namespace="default", task="absent")
        await socket.refusal()
    assert await asyncio.to_thread(process.stop) == 0
    mine = [span for _, span in collected.spans if span.trace_id.hex() == TRACE]
    [served] = [span for span in mine if span.kind != span.SPAN_KIND_CLIENT]
    assert attributes_of(served)["wegent.request_id"] == "traced.2"
    asked = [span for span in mine if span.kind == span.SPAN_KIND_CLIENT]
    assert len(asked) == 2  # the user, and the Task
    assert user.client.token
    assert user.client.token.encode() not in collected.raw


@pytest.mark.usefixtures("collected")
async def test_the_trace_goes_on_and_no_other_header_does(
    user: User, control_plane: ControlPlane, start_proxy: ProxyFactory, tmp_path: Path
) -> None:
    async with recorder() as upstream:
        kubeconfig = write_kubeconfig(
            tmp_path / "kubeconfig",
            name="recorded",
            server=upstream.url,
            ca_file=control_plane.ca_file,
            credentials="own",
        )
        proxy = Client(user.client.session, start_proxy(kubeconfig).url, "callers")
        headers = {
            "traceparent": f"00-{TRACE}-b7ad6b7169203331-01",
            "tracestate": "vendor=1",
            "baggage": "user=somebody",
        }
        await proxy.get(f"{BASE}/ghosts/some?namespace=default", headers=headers)
        [sent] = [headers_of(it) for it in upstream.requests]
    assert sent["traceparent"].split("-")[1] == TRACE
    assert sent["traceparent"] != headers["traceparent"]
    assert sent["tracestate"] == "vendor=1"
    assert "baggage" not in sent


async def test_no_trace_holds_a_secret(
    user: User, start_proxy: ProxyFactory, collected: Collector
) -> None:
    process = start_proxy()
    proxy = Client(user.client.session, process.url, user.client.token)
    login = {"username": user.name, "password": PASSWORD}
    token = (await proxy.post("/api/v1/auth/login", login)).expect(200)["accessToken"]
    (await proxy.as_(token).get(f"{BASE}/ghosts?labelSelector=a%3Db")).expect(200)
    assert await asyncio.to_thread(process.stop) == 0
    assert collected.spans
    for secret in (token, token.split(".")[2], PASSWORD):
        assert secret.encode() not in collected.raw


async def test_a_collector_that_is_not_there_costs_nothing(
    user: User, start_proxy: ProxyFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    process = start_proxy()
    proxy = Client(user.client.session, process.url, user.client.token)
    (await proxy.get(f"{BASE}/ghosts/absent")).expect(404)
    assert await asyncio.to_thread(process.stop) == 0
