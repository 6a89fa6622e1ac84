"""Loss of the API server at each moment of a request, and an end of the proxy."""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from devcluster.controlplane import ControlPlane
from devcluster.kubeconfig import write_kubeconfig
from tests.api.conftest import ProxyFactory
from tests.api.objects import BASE, ghost
from tests.api.users import ACCOUNTS, PASSWORD, User, provision, unique
from tests.support.api import Api
from tests.support.audit import AuditLog
from tests.support.identity import token_for
from tests.support.kubectl import Kubectl
from tests.support.proxy import Client, ProxyProcess
from tests.support.relay import Link, kubeconfig_over, link_to
from tests.support.waiting import eventually
from wegent_crds.registry import API_VERSION

GHOSTS = f"{BASE}/ghosts"


@dataclass(frozen=True, slots=True)
class Cuttable:
    """A proxy that reaches the API server over a `Link`."""

    client: Client
    link: Link


@pytest.fixture(scope="module")
async def over_a_link(
    user: User,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Cuttable]:
    directory = tmp_path_factory.mktemp("link")
    async with link_to(control_plane.server) as link:
        kubeconfig = kubeconfig_over(
            link,
            control_plane,
            directory / "kubeconfig",
            token_for(kubectl, "wegent-system", "wegent-api"),
        )
        with ProxyProcess(kubeconfig, directory / "log", upstream_timeout_s="2") as proxy:
            yield Cuttable(Client(user.client.session, proxy.url, user.client.token), link)


@pytest.fixture
async def cuttable(over_a_link: Cuttable) -> AsyncIterator[Cuttable]:
    yield over_a_link
    await over_a_link.link.close()
    await over_a_link.link.open()


def operations() -> list[tuple[str, str, object]]:
    name = unique("gone")
    account = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
    return [
        ("GET", GHOSTS, None),
        ("GET", f"{GHOSTS}/x", None),
        ("DELETE", f"{GHOSTS}/x", None),
        ("POST", GHOSTS, ghost(name)),
        ("GET", "/api/v1/auth/me", None),
        ("POST", "/api/v1/auth/login", {"username": name, "password": PASSWORD}),
        ("POST", "/api/v1/apply", {"apiVersion": API_VERSION, "kind": "Ghost", **ghost(name)}),
        ("POST", "/api/v1/auth/register", account),
        ("POST", "/api/v1/auth/admin/register", account),
    ]


@pytest.mark.parametrize("operation", operations(), ids=lambda it: f"{it[0]} {it[1]}")
async def test_the_api_server_is_gone(
    cuttable: Cuttable, operation: tuple[str, str, object]
) -> None:
    await cuttable.link.close()
    answer = await cuttable.client.send(*operation)
    answer.refused(503, "ServiceUnavailable")
    assert answer.headers["Retry-After"] == "1"
    assert "127.0.0.1" not in answer.json["message"]


@pytest.mark.parametrize("operation", operations()[:5], ids=lambda it: f"{it[0]} {it[1]}")
async def test_the_api_server_goes_in_the_middle_of_a_request(
    cuttable: Cuttable, operation: tuple[str, str, object]
) -> None:
    (await cuttable.client.get(GHOSTS)).expect(200)  # this opens a connection
    cuttable.link.stall()
    asking = asyncio.create_task(cuttable.client.send(*operation))
    await asyncio.sleep(0.2)
    assert not asking.done()
    await cuttable.link.close()
    message = (await asking).refused(503, "ServiceUnavailable")
    if operation[0] != "GET" and "auth" not in operation[1]:
        assert "may have taken effect" in message


async def test_the_api_server_never_answers(cuttable: Cuttable) -> None:
    cuttable.link.stall()
    (await cuttable.client.get(GHOSTS)).refused(503, "ServiceUnavailable")


async def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one(
    cuttable: Cuttable, user: User
) -> None:
    tag = unique("cut")
    collection = f"{GHOSTS}?namespace={user.home}"
    for index in range(24):
        body = ghost(f"{tag}-{index}", "x" * 100_000, labels={"test": tag})
        (await user.client.post(collection, body)).expect(201)
    listing = f"{collection}&labelSelector=test={tag}"
    cuttable.link.cut_after(300_000)  # before the proxy has passed anything on
    (await cuttable.client.get(listing)).refused(503, "ServiceUnavailable")
    await cuttable.link.close()
    await cuttable.link.open()
    cuttable.link.cut_after(1_800_000)  # after the proxy has sent the status
    with pytest.raises(aiohttp.ClientPayloadError):
        await cuttable.client.get(listing)


async def test_it_is_alive_but_not_ready_and_recovers(cuttable: Cuttable) -> None:
    (await cuttable.client.get("/readyz")).expect(200)
    await cuttable.link.close()

    async def unready() -> bool:
        return (await cuttable.client.get("/readyz")).status == 503

    await eventually(unready, within_s=30, what="not ready")
    (await cuttable.client.get("/readyz")).refused(503, "ServiceUnavailable")
    assert (await cuttable.client.get("/healthz")).expect(200) == {"status": "ok"}
    await cuttable.link.open()

    async def ready() -> bool:
        return (await cuttable.client.get("/readyz")).status == 200

    await eventually(ready, within_s=30, what="ready again")
    (await cuttable.client.get(GHOSTS)).expect(200)


async def test_readiness_can_not_be_used_to_flood_the_api_server(
    anonymous: Client, audit: AuditLog
) -> None:
    await asyncio.gather(*(anonymous.get("/readyz") for _ in range(100)))
    assert len([it for it in audit.requests() if it.event["requestURI"] == "/version"]) <= 3


async def test_a_real_api_server_killed_in_the_middle_of_a_request(
    control_plane: ControlPlane,
    anonymous: Client,
    start_proxy: ProxyFactory,
    tmp_path: Path,
) -> None:
    with ControlPlane(control_plane.binaries, tmp_path / "doomed", fsync=False) as doomed:
        admin = Kubectl(doomed.binaries.kubectl, doomed.kubeconfig)
        token = token_for(admin, "default", "default")
        kubeconfig = write_kubeconfig(
            tmp_path / "kubeconfig",
            name="doomed",
            server=doomed.server,
            ca_file=doomed.ca_file,
            credentials=token,
        )
        proxy = Client(anonymous.session, start_proxy(kubeconfig).url, token)
        (await proxy.get("/api/v1/auth/me")).expect(200)
        doomed.pause_apiserver()
        asking = asyncio.create_task(proxy.get("/api/v1/auth/me"))
        await asyncio.sleep(0.2)
        assert not asking.done()
        # With SIGTERM, the API server would first finish the request.
        doomed.apiserver.signal(signal.SIGKILL)
        await asyncio.to_thread(doomed.stop_apiserver)
        (await asking).refused(503, "ServiceUnavailable")
        (await proxy.get("/api/v1/auth/me")).refused(503, "ServiceUnavailable")
        await asyncio.to_thread(doomed.start_apiserver)
        (await proxy.get("/api/v1/auth/me")).expect(200)


async def test_requests_in_flight_are_finished_after_sigterm(
    anonymous: Client, api: Api, start_proxy: ProxyFactory
) -> None:
    process = start_proxy()
    proxy = Client(anonymous.session, process.url)
    name = unique("drain")
    body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
    (await proxy.post("/api/v1/auth/register", body)).expect(201)
    credentials = {"username": name, "password": PASSWORD}
    waiting = asyncio.create_task(proxy.post("/api/v1/auth/login", credentials))

    async def under_way() -> bool:  # the login and this request
        return b"wegent_api_requests_in_flight 2.0" in (await proxy.get("/metrics")).content

    await eventually(under_way, within_s=30, what="the login waits for its account")
    process.terminate()

    async def refuses() -> bool:
        try:
            await proxy.get("/healthz")
        except aiohttp.ClientConnectionError:
            return True
        return False

    await eventually(refuses, within_s=30, what="no new connections are taken")
    assert not waiting.done()
    await provision(api, name)
    (await waiting).expect(200)
    assert await asyncio.to_thread(process.wait) == 0
    assert "Traceback" not in process.logged()


async def test_those_who_do_not_know_yet_are_served_after_sigterm(
    user: User, start_proxy: ProxyFactory
) -> None:
    """During a rolling upgrade, clients of this replica still get answers, and a hint."""
    process = start_proxy(drain_delay_s="4")
    proxy = Client(user.client.session, process.url, user.client.token)
    (await proxy.get("/readyz")).expect(200)
    process.terminate()

    async def drains() -> bool:
        return (await proxy.get("/readyz")).status == 503

    await eventually(drains, within_s=3, what="it is no longer ready")
    for _ in range(5):  # each uses a new connection
        answer = await proxy.get(f"{GHOSTS}/absent")
        answer.refused(404, "NotFound")
        assert answer.headers["Connection"] == "close"
    (await proxy.get("/healthz")).expect(200)
    assert await asyncio.to_thread(process.wait) == 0


async def test_a_registration_cut_off_leaves_no_half_made_user(
    cuttable: Cuttable, kubectl: Kubectl, api: Api, audit: AuditLog
) -> None:
    """The user can log in or doesn't exist, at whatever moment the connection breaks."""
    for delay in (0.0, 0.05, 0.1, 0.15, 0.2, 0.3):
        name = unique("half")
        body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
        register = cuttable.client.post("/api/v1/auth/register", body)
        registering = asyncio.create_task(register)
        await asyncio.sleep(delay)
        await cuttable.link.close()
        answer = await registering
        assert answer.status in {201, 503}
        await cuttable.link.open()
        found = await kubectl.call("get", "account", name, f"-n{ACCOUNTS}", "-ojson")
        if answer.status == 201:
            found.ok()
        if found.exit_code == 0:
            secret = found.json["spec"]["passwordSecretRef"]["name"]
            (await kubectl.call("get", "secret", secret, f"-n{ACCOUNTS}")).ok()
            await provision(api, name)
            credentials = {"username": name, "password": PASSWORD}
            (await cuttable.client.post("/api/v1/auth/login", credentials)).expect(200)
        else:
            (await cuttable.client.post("/api/v1/auth/register", body)).expect(201)
    assert audit.writes()


async def test_a_wrong_configuration_is_said_in_one_line(tmp_path: Path) -> None:
    for settings, says in (
        ({}, "kubeconfig"),
        ({"log_level": "LOUD"}, "log_level"),
        ({"accounts_namespace": "a/b"}, "must be a DNS-1123 label"),
    ):
        process = ProxyProcess(tmp_path / "absent", tmp_path / "log", **settings)
        with pytest.raises(AssertionError, match=re.escape("it died: wegent-api: ")) as died:
            process.start()
        assert process.wait() == 2
        assert says in str(died.value)
        assert "Traceback" not in str(died.value)


async def test_logs_are_json_with_the_requests_id(start_proxy: ProxyFactory, user: User) -> None:
    process = start_proxy()
    proxy = Client(user.client.session, process.url, user.client.token)
    answer = await proxy.get(f"{GHOSTS}/absent?namespace=default", headers={"X-Request-Id": "r-1"})
    answer.refused(404, "NotFound")

    def written() -> list[dict[str, Any]]:  # after the answer is sent
        entries = [json.loads(line) for line in process.logged().splitlines()]
        return [entry for entry in entries if entry.get("requestId") == "r-1"]

    [entry] = await eventually(written, within_s=30, what="the request's log line")
    assert entry["message"] == f"GET {GHOSTS}/absent 404"
    assert entry["route"] == f"{GHOSTS}/{{name}}"
    assert entry["auditId"] == answer.headers["Audit-Id"]
    assert (entry["level"], entry["status"], entry["client"]) == ("INFO", 404, "127.0.0.1")
    assert entry["durationMs"] > 0
