"""Only headers of a closed list reach the API server, whatever the caller sends."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
from yarl import URL

from devcluster.controlplane import ControlPlane
from devcluster.kubeconfig import write_kubeconfig
from tests.api.fakes import Recorder, headers_of, http_answer, recorder, status_body
from tests.api.objects import BASE, ghost
from tests.api.users import User, unique
from tests.support.audit import AuditLog
from tests.support.proxy import Client, ProxyProcess

GHOSTS = f"{BASE}/ghosts"
ADMIN = "system:admin"
HOSTILE = {
    "Impersonate-User": ADMIN,
    "Impersonate-Group": "system:masters",
    "Impersonate-Uid": "0",
    "Impersonate-Extra-Scopes": "all",
    "impersonate-user-": ADMIN,
    "X-Remote-User": ADMIN,
    "X-Remote-Group": "system:masters",
    "X-Remote-Extra-Scopes": "all",
    "X-Forwarded-User": ADMIN,
    "X-Forwarded-For": "127.0.0.1",
    "X-Original-URL": "/api/v1/secrets",
    "X-HTTP-Method-Override": "DELETE",
    "Cookie": "session=stolen",
    "Proxy-Authorization": "Bearer other",
    "Audit-ID": "forged",
    "Forwarded": "for=127.0.0.1",
}
SENT = {
    "accept",
    "accept-encoding",
    "audit-id",
    "authorization",
    "content-length",
    "content-type",
    "host",
    "user-agent",
}
"""All headers that the proxy ever sends for a caller."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A proxy, and its requests to a stand-in for the API server."""

    client: Client
    upstream: Recorder


@pytest.fixture(scope="module")
async def recorded_proxy(
    session: aiohttp.ClientSession,
    control_plane: ControlPlane,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Recorded]:
    directory = tmp_path_factory.mktemp("recorded")
    async with recorder() as upstream:
        kubeconfig = write_kubeconfig(
            directory / "kubeconfig",
            name="recorded",
            server=upstream.url,
            ca_file=control_plane.ca_file,
            credentials="the-proxys-own-token",
        )
        with ProxyProcess(kubeconfig, directory / "log") as proxy:
            yield Recorded(Client(session, proxy.url, "the-callers-token"), upstream)


@pytest.fixture
def recorded(recorded_proxy: Recorded) -> Recorded:
    recorded_proxy.upstream.clear()
    return recorded_proxy


@pytest.mark.parametrize("connection", [None, ", ".join(HOSTILE), "Impersonate-User, close"])
async def test_hostile_headers_impersonate_nobody_on_a_real_api_server(
    user: User, audit: AuditLog, connection: str | None
) -> None:
    """``Connection`` names headers for the next hop to drop: CVE-2021-31999."""
    headers = HOSTILE | ({"Connection": connection} if connection else {})
    name = unique("hostile")
    made = await user.client.post(f"{GHOSTS}", ghost(name), headers=headers)
    made.expect(201)
    (await user.client.get(f"{GHOSTS}/{name}", headers=headers)).expect(200)
    me = (await user.client.get("/api/v1/auth/me", headers=headers)).expect(200)
    assert me["username"] == user.name
    kube_system = f"{GHOSTS}?namespace=kube-system"
    (await user.client.get(kube_system, headers=headers)).refused(403, "Forbidden")
    (await user.client.delete(f"{GHOSTS}/{name}?dryRun=All", headers=headers)).expect(204)
    requests = audit.requests()
    mine = [request for request in requests if request.user == user.account]
    # A proxy that has just started makes one more request for the creator's identity.
    assert len([request for request in mine if request.resource == "ghosts"]) == 4
    assert not [request for request in requests if "impersonatedUser" in request.event]
    assert not [request for request in requests if request.user == ADMIN]


async def test_only_headers_of_a_closed_list_are_sent(recorded: Recorded) -> None:
    for connection in ({}, {"Connection": ", ".join([*HOSTILE, "Authorization", "Accept"])}):
        recorded.upstream.answers.append(
            http_answer(
                b'{"kind":"Ghost","metadata":{"name":"x","namespace":"default"}}', "201 Created"
            )
        )
        headers = HOSTILE | connection
        (await recorded.client.post(GHOSTS, ghost("x"), headers=headers)).expect(201)
        (await recorded.client.get(f"{GHOSTS}/x", headers=headers)).expect(200)
    assert len(recorded.upstream.requests) == 4
    for request in recorded.upstream.requests:
        sent = headers_of(request)
        assert set(sent) <= SENT
        assert sent["authorization"] == "Bearer the-callers-token"
        assert sent["user-agent"].startswith("wegent-api/")
        assert sent["accept"] == "application/json"
        assert sent["audit-id"] != "forged"
        assert ADMIN.encode() not in request


async def test_a_callers_request_never_carries_the_proxys_own_token(recorded: Recorded) -> None:
    """A refusal changes nothing: some proxies then retry as themselves."""
    for status in ("401 Unauthorized", "403 Forbidden", "500 Internal Server Error"):
        code = int(status[:3])
        recorded.upstream.answers.append(http_answer(status_body(code), status))
        (await recorded.client.get(f"{GHOSTS}/x")).refused(code, "Test")
    sent = [headers_of(request)["authorization"] for request in recorded.upstream.requests]
    assert sent == ["Bearer the-callers-token"] * 3


async def test_two_authorization_headers(recorded: Recorded) -> None:
    url = URL(recorded.client.base)
    assert url.host
    reader, writer = await asyncio.open_connection(url.host, url.port)
    for second in ("Bearer the-callers-token", "Basic eDp5"):
        writer.write(
            f"GET {GHOSTS}/x HTTP/1.1\r\nHost: test\r\n"
            f"Authorization: Bearer one\r\nAuthorization: {second}\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 401 ")
        await reader.readexactly(int(headers_of(head)["content-length"]))
    writer.close()
    await writer.wait_closed()
    assert not recorded.upstream.requests


async def test_a_cookie_of_one_callers_answer_is_not_sent_with_anothers_request(
    recorded: Recorded,
) -> None:
    cookie = "Set-Cookie: sticky=1; Path=/\r\n"
    recorded.upstream.answers.append(http_answer(b"{}", extra=cookie))
    answer = await recorded.client.get(f"{GHOSTS}/x")
    assert "Set-Cookie" not in answer.headers
    (await recorded.client.as_("another").get(f"{GHOSTS}/x")).expect(200)
    assert "cookie" not in headers_of(recorded.upstream.requests[-1])


@pytest.mark.parametrize(
    ("answer", "code", "reason"),
    [
        (http_answer(b"<html>secret</html>", content_type="text/html"), 502, "BadGateway"),
        (http_answer(b"<html>secret</html>", "502 Bad Gateway"), 503, "ServiceUnavailable"),
        (http_answer(b"404 page not found", "404 Not Found"), 503, "ServiceUnavailable"),
        (http_answer(b'{"kind":"Secret"}', "403 Forbidden"), 502, "BadGateway"),
        (http_answer(b"secret", "401 Unauthorized"), 401, "Unauthorized"),
        (http_answer(b"secret", "429 Too Many Requests"), 503, "ServiceUnavailable"),
        (http_answer(b"", "302 Found", extra="Location: /secret\r\n"), 502, "BadGateway"),
        (http_answer(status_body(302), "302 Found"), 502, "BadGateway"),
        (b"secret, and not HTTP at all\r\n\r\n", 503, "ServiceUnavailable"),
    ],
)
async def test_what_is_not_the_api_servers_is_not_passed_on(
    recorded: Recorded, answer: bytes, code: int, reason: str
) -> None:
    recorded.upstream.answers.append(answer)
    got = await recorded.client.delete(f"{GHOSTS}/x")
    got.refused(code, reason)
    assert b"secret" not in got.content.lower()
    assert "Location" not in got.headers
    assert len(recorded.upstream.requests) == 1


async def test_retry_after_and_warnings_are_passed_on(recorded: Recorded) -> None:
    extra = 'Retry-After: 7\r\nWarning: 299 - "a"\r\nWarning: 299 - "b"\r\nX-Internal: secret\r\n'
    recorded.upstream.answers.append(
        http_answer(status_body(429), "429 Too Many Requests", extra=extra)
    )
    answer = await recorded.client.get(f"{GHOSTS}/x")
    answer.refused(429, "Test")
    assert answer.headers["Retry-After"] == "7"
    assert answer.headers["Warning"] == '299 - "a", 299 - "b"'
    assert "X-Internal" not in answer.headers
