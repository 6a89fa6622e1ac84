"""Watches: no event is missed, no memory is held, and each ends at its time."""

import asyncio
import contextlib
import json
import re
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from devcluster.controlplane import ControlPlane
from devcluster.kubeconfig import write_kubeconfig
from tests.api import jwts
from tests.api.conftest import ProxyFactory
from tests.api.events import Stream, following
from tests.api.fakes import http_answer, recorder
from tests.api.link import link_to
from tests.api.objects import BASE, ghost
from tests.api.users import ACCOUNTS, PASSWORD, User, unique
from tests.support.audit import AuditLog
from tests.support.kubectl import Kubectl
from tests.support.proxy import Client
from tests.support.waiting import eventually
from wegent_kube.content_types import MERGE_PATCH

GHOSTS = f"{BASE}/ghosts"


@pytest.fixture
async def place(user: User, kubectl: Kubectl) -> str:
    """A namespace of the test's own, in which the user is an editor."""
    name = unique("watched")
    subject = f"--serviceaccount={ACCOUNTS}:{user.name}"
    (await kubectl.call("create", "namespace", name)).ok()
    role = ("create", "rolebinding", "editor", "--clusterrole=wegent-editor", subject)
    (await kubectl.call(*role, f"--namespace={name}")).ok()
    return name


def url(place: str, query: str = "", name: str = "") -> str:
    return f"{GHOSTS}{f'/{name}' if name else ''}?namespace={place}{query}"


def watching(place: str, query: str = "") -> str:
    return url(place, f"&watch=true{query}")


def through(proxy_url: str, user: User) -> Client:
    return Client(user.client.session, proxy_url, user.client.token)


async def make(client: Client, place: str, name: str, **metadata: Any) -> str:
    made = (await client.post(url(place), ghost(name, **metadata))).expect(201)
    version: str = made["metadata"]["resourceVersion"]
    return version


async def change(client: Client, place: str, name: str, text: str) -> str:
    patch = {"spec": {"description": text}}
    done = (await client.patch(url(place, name=name), patch, type_=MERGE_PATCH)).expect(200)
    version: str = done["metadata"]["resourceVersion"]
    return version


async def test_first_what_is_there_and_then_what_happens(
    user: User, place: str, kubectl: Kubectl
) -> None:
    for name in ("a", "b"):
        await make(user.client, place, name)
    async with following(user.client, watching(place)) as stream:
        assert stream.response.headers["Cache-Control"] == "no-store"
        *there, bookmark = await stream.beginning()
        assert {(event.event, event.name, event.id) for event in there} == {
            ("ADDED", "a", None),
            ("ADDED", "b", None),
        }
        assert bookmark.id == bookmark.version
        version = await make(user.client, place, "c")
        added = await stream.until("ADDED", "c")
        assert (added.id, added.version) == (version, version)
        version = await change(user.client, place, "c", "two\nlines\r and \u2028 more")
        modified = await stream.until("MODIFIED", "c")
        assert modified.id == version
        assert modified.data["spec"]["description"] == "two\nlines\r and \u2028 more"
        bypass = '[{"op": "remove", "path": "/metadata/finalizers"}]'
        where = f"--namespace={place}"
        (await kubectl.call("delete", "ghost", "c", where, "--wait=false")).ok()
        (await kubectl.call("patch", "ghost", "c", where, "--type=json", "-p", bypass)).ok()
        assert (await stream.until("DELETED", "c")).id


async def test_an_object_is_as_the_api_server_sent_it(user: User, place: str) -> None:
    await make(user.client, place, "same", annotations={"note": 'é "quoted" <tag> 😀'})
    got = (await user.client.get(url(place, name="same"))).expect(200)
    async with following(user.client, watching(place)) as stream:
        first, *_ = await stream.beginning()
    assert first.data == got


async def test_a_client_goes_on_from_where_it_was(user: User, place: str) -> None:
    async with following(user.client, watching(place)) as stream:
        [bookmark] = await stream.beginning()
    seen = [await make(user.client, place, f"g{index}") for index in range(4)]
    parameter = watching(place, f"&resourceVersion={bookmark.id}")
    async with following(user.client, parameter) as stream:
        assert [(await stream.until("ADDED", f"g{index}")).id for index in range(4)] == seen
    # EventSource sends the same URL again with the last id seen, which takes precedence.
    async with following(user.client, parameter, Last_Event_ID=seen[2]) as stream:
        event = await stream.next()
        assert event
        assert event.id == seen[3]


async def test_nothing_is_missed_however_often_it_breaks(user: User, place: str) -> None:
    async with following(user.client, watching(place)) as stream:
        [bookmark] = await stream.beginning()
    last, wanted = str(bookmark.id), [f"n{index}" for index in range(40)]

    async def create() -> None:
        for name in wanted:
            await make(user.client, place, name)

    creating = asyncio.create_task(create())
    names: list[str] = []
    while len(names) < len(wanted):
        async with following(user.client, watching(place), Last_Event_ID=last) as stream:
            for _ in range(min(3, len(wanted) - len(names))):
                event = await stream.next()
                assert event
                last = str(event.id)
                names += [event.name] if event.event == "ADDED" else []
    await creating
    assert names == wanted


async def test_a_selector(user: User, place: str) -> None:
    await make(user.client, place, "in", labels={"side": "in"})
    await make(user.client, place, "out", labels={"side": "out"})
    async with following(user.client, watching(place, "&labelSelector=side%3Din")) as stream:
        *there, _ = await stream.beginning()
        assert [event.name for event in there] == ["in"]
        await make(user.client, place, "other", labels={"side": "out"})
        await make(user.client, place, "later", labels={"side": "in"})
        event = await stream.next()
        assert event
        assert (event.event, event.name) == ("ADDED", "later")


async def test_a_version_that_is_too_old_makes_clients_begin_again(user: User, place: str) -> None:
    async with following(user.client, watching(place, "&resourceVersion=1")) as stream:
        [error] = await stream.rest()
    assert error.event == "ERROR"
    assert (error.data["kind"], error.data["code"]) == ("Status", 410)
    assert error.id == ""  # the client forgets the last id
    async with following(user.client, watching(place), Last_Event_ID="") as stream:
        assert (await stream.beginning())[-1].event == "BOOKMARK"


@pytest.mark.parametrize(
    ("query", "headers", "field"),
    [
        ("&resourceVersion=abc", {}, "resourceVersion"),
        ("&resourceVersion=-1", {}, "resourceVersion"),
        (f"&resourceVersion={'9' * 21}", {}, "resourceVersion"),
        (f"&resourceVersion={'9' * 65}", {}, "resourceVersion"),
        ("", {"Last-Event-ID": "abc"}, "Last-Event-ID"),
        ("", {"Last-Event-ID": "1, 2"}, "Last-Event-ID"),
        ("&limit=5", {}, "limit"),
        ("&continue=x", {}, "continue"),
    ],
)
async def test_what_can_not_be_followed(
    user: User, query: str, headers: dict[str, str], field: str
) -> None:
    answer = await user.client.get(watching(user.home, query), headers=headers)
    answer.refused(400, "BadRequest")
    assert field in answer.causes()


async def test_parameters_that_do_not_fit(user: User) -> None:
    for query, field in (("watch=perhaps", "watch"), ("resourceVersion=5", "resourceVersion")):
        answer = await user.client.get(f"{GHOSTS}?{query}")
        answer.refused(400, "BadRequest")
        assert list(answer.causes()) == [field]


async def test_refusals_are_answers_and_not_events(user: User, anonymous: Client) -> None:
    forbidden = watching("kube-system")
    (await user.client.get(forbidden)).refused(403, "Forbidden")
    (await anonymous.get(forbidden)).refused(401, "Unauthorized")
    (await user.client.get(watching("default", "&labelSelector=,,"))).refused(400, "BadRequest")


async def test_silence_is_broken_by_comments(
    user: User, place: str, start_proxy: ProxyFactory
) -> None:
    client = through(start_proxy(watch_heartbeat_s="0.1").url, user)
    async with following(client, watching(place)) as stream:
        await stream.beginning()
        with pytest.raises(TimeoutError):
            await stream.next(within_s=1)
        assert len(stream.comments) >= 3
        assert set(stream.comments) == {""}


async def test_a_stream_outlives_the_api_servers_watches(
    user: User, place: str, start_proxy: ProxyFactory, audit: AuditLog
) -> None:
    """The proxy renews the API server's watches at their position, unseen by the client."""
    client = through(start_proxy(watch_renew_s="1").url, user)
    async with following(client, watching(place)) as stream:
        await stream.beginning()
        for index in range(8):
            await make(user.client, place, f"r{index}")
            await asyncio.sleep(0.5)  # longer than several watches
        for index in range(8):
            await stream.until("ADDED", f"r{index}")
    assert len([it for it in audit.requests(namespace=place) if it.verb == "watch"]) >= 3


async def ended_with(stream: Stream, code: int) -> None:
    *_, last = await stream.rest()
    assert (last.event, last.data["code"], last.id) == ("ERROR", code, None)


async def test_the_stream_ends_with_the_token(
    user: User, place: str, control_plane: ControlPlane, start_proxy: ProxyFactory
) -> None:
    proxy = start_proxy(watch_renew_s="1")
    assert user.client.token
    header, claims, _ = jwts.read(user.client.token)
    key = jwts.private_key(control_plane.directory / "pki" / "service-account.key")
    # The API server allows a minute of clock skew, and caches accepted tokens for ten seconds.
    short = jwts.rs256(header, {**claims, "exp": int(time.time()) - 60 + 8}, key)
    client = Client(user.client.session, proxy.url, short)
    async with following(client, watching(place)) as stream:
        await stream.beginning()
        await ended_with(stream, 401)


async def test_the_stream_ends_with_the_right(
    user: User, place: str, kubectl: Kubectl, start_proxy: ProxyFactory
) -> None:
    client = through(start_proxy(watch_renew_s="1").url, user)
    async with following(client, watching(place)) as stream:
        await stream.beginning()
        (await kubectl.call("delete", "rolebinding", "editor", f"--namespace={place}")).ok()
        await ended_with(stream, 403)


async def test_the_stream_ends_with_the_account(
    new_user: Callable[[], Awaitable[User]], kubectl: Kubectl, start_proxy: ProxyFactory
) -> None:
    leaving = await new_user()
    client = through(start_proxy(watch_renew_s="1").url, leaving)
    async with following(client, watching("default")) as stream:
        await stream.beginning()
        where = f"--namespace={ACCOUNTS}"
        (await kubectl.call("delete", "serviceaccount", leaving.name, where)).ok()
        await ended_with(stream, 401)


async def test_the_api_server_goes_away(
    user: User,
    place: str,
    control_plane: ControlPlane,
    start_proxy: ProxyFactory,
    tmp_path: Path,
) -> None:
    async with link_to(control_plane.server) as link:
        kubeconfig = write_kubeconfig(
            tmp_path / "kubeconfig",
            name="linked",
            server=link.url,
            ca_file=control_plane.ca_file,
            credentials="not-needed",
        )
        client = through(start_proxy(kubeconfig).url, user)
        async with following(client, watching(place)) as stream:
            await stream.beginning()
            await make(user.client, place, "before")
            seen = await stream.until("ADDED", "before")  # by the watch that is to continue
            link.cut()
            await ended_with(stream, 503)
        version = await make(user.client, place, "meanwhile")
        async with following(client, watching(place), Last_Event_ID=str(seen.id)) as stream:
            event = await stream.next()
            assert event
            assert event.id == version


async def open_watches(client: Client) -> int:
    text = (await client.get("/metrics")).content.decode()
    found = re.search(r"^wegent_api_watches (\d+)", text, re.MULTILINE)
    assert found
    return int(found[1])


async def test_a_client_that_goes_takes_its_watch_with_it(
    user: User, place: str, start_proxy: ProxyFactory
) -> None:
    client = through(start_proxy().url, user)  # no comment is due, so no failed send shows the end
    async with following(client, watching(place)) as stream:
        await stream.beginning()
        assert await open_watches(client) == 1
        stream.response.close()

    async def none() -> bool:
        return await open_watches(client) == 0

    await eventually(none, within_s=3, what="the watch to be closed")


async def test_there_are_so_many_and_no_more(
    user: User, place: str, start_proxy: ProxyFactory
) -> None:
    client = through(start_proxy(watches="2").url, user)
    async with following(client, watching(place)), following(client, watching(place)):
        answer = await client.get(watching(place))
        assert "too many concurrent watches" in answer.refused(503, "ServiceUnavailable")
        assert answer.headers["Retry-After"]
        (await client.get(url(place))).expect(200)  # streams leave room for short requests

    async def again() -> bool:
        return await open_watches(client) == 0

    await eventually(again, within_s=3, what="the others to have ended")
    async with following(client, watching(place)) as stream:
        assert await stream.beginning()


async def test_one_user_has_so_many_whatever_their_tokens(
    user: User,
    place: str,
    admin_client: Client,
    start_proxy: ProxyFactory,
) -> None:
    """The bounds hold while the API server's watches are renewed."""
    client = through(start_proxy(watches="3", watches_per_user="2", watch_renew_s="1").url, user)
    login = {"username": user.name, "password": PASSWORD}
    again = (await client.post("/api/v1/auth/login", login)).expect(200)["accessToken"]
    other = client.as_(admin_client.token)
    async with (
        following(client, watching(place)) as stream,
        following(client.as_(again), watching(place)),
    ):
        for it in (client, client.as_(again)):
            answer = await it.get(watching(place))
            assert "too many concurrent watches: the limit is 2" in answer.refused(
                429, "TooManyRequests"
            )
            assert answer.headers["Retry-After"]
        async with following(other, watching(place)):
            answer = await other.get(watching(place))
            assert "too many concurrent watches" in answer.refused(503, "ServiceUnavailable")
        await stream.beginning()
        for index in range(30):  # longer than several of the API server's watches
            await asyncio.sleep(0.1)
            assert (await client.get(watching(place))).status == 429, index
        await make(user.client, place, "later")
        await stream.until("ADDED", "later")


async def test_streams_take_nothing_from_what_waits_for_the_operator(
    user: User, place: str, kubectl: Kubectl, start_proxy: ProxyFactory
) -> None:
    client = through(start_proxy(watches="1", settle_wait_s="30").url, user)
    await make(user.client, place, "leaving")
    async with following(client, watching(place)) as stream:
        deleting = asyncio.create_task(client.delete(url(place, name="leaving")))
        await stream.until("MODIFIED", "leaving")  # it has a deletionTimestamp
        bypass = '[{"op": "remove", "path": "/metadata/finalizers"}]'
        where = ("--namespace", place, "--type=json")
        (await kubectl.call("patch", "ghost", "leaving", *where, "-p", bypass)).ok()
        (await deleting).expect(204)


async def test_streams_end_when_the_proxy_does(
    user: User, place: str, start_proxy: ProxyFactory
) -> None:
    proxy = start_proxy()
    async with following(through(proxy.url, user), watching(place)) as stream:
        await stream.beginning()
        began = time.monotonic()
        proxy.terminate()
        assert await stream.rest() == []
        assert stream.comments[-1].startswith("the server is going away")
    assert await asyncio.to_thread(proxy.wait) == 0
    assert time.monotonic() - began < 5
    assert "Traceback" not in proxy.logged()


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1]) / 1024


async def stalled_reader(client: Client, path: str) -> socket.socket:
    """Open a stream, read its beginning, and then stop reading."""
    base = URL(client.base)
    reading = socket.socket()
    reading.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reading.settimeout(0)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(reading, (base.host, base.port))
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.token}\r\n\r\n"
    await loop.sock_sendall(reading, request.encode())
    assert (await loop.sock_recv(reading, 12)) == b"HTTP/1.1 200"
    return reading


async def test_a_slow_reader_holds_no_memory_and_is_cut_off(
    user: User, place: str, start_proxy: ProxyFactory
) -> None:
    proxy = start_proxy(watch_stall_s="5", watch_heartbeat_s="1")
    client = through(proxy.url, user)
    names, long = [f"busy-{index}" for index in range(4)], "y" * 100_000
    for name in names:
        await make(user.client, place, name)
    reading = await stalled_reader(client, watching(place))
    assert await open_watches(client) == 1
    most = before = resident_mib(proxy.pid)

    async def write(name: str, index: int) -> None:
        patch = {"spec": {"systemPrompt": f"{index} {long}"}}
        (await user.client.patch(url(place, name=name), patch, type_=MERGE_PATCH)).expect(200)

    for index in range(500 // len(names)):  # would be 50 MB of events, if held
        await asyncio.gather(*(write(name, index) for name in names))
        most = max(most, await asyncio.to_thread(resident_mib, proxy.pid))

    async def ended() -> bool:
        return await open_watches(client) == 0

    await eventually(ended, within_s=15, what="the reader to be cut off")
    assert most - before < 24, f"{before:.0f} MiB, then {most:.0f} MiB"

    rest = b""
    with reading, contextlib.suppress(ConnectionError):
        while chunk := await asyncio.get_running_loop().sock_recv(reading, 65536):
            rest = (rest + chunk)[-5:]
    assert rest != b"0\r\n\r\n"  # not a regular end
    (await client.get("/healthz")).expect(200)


async def test_who_takes_what_is_there_slowly_gets_all_of_it(
    user: User, place: str, start_proxy: ProxyFactory
) -> None:
    """Reading outlasts the API server's watches, of which the first has no position yet."""
    count, text = 240, "z" * (128 << 10)  # more than all buffers between hold

    async def create(start: int) -> None:
        for index in range(start, count, 8):
            body = ghost(f"there-{index}", text)
            (await user.client.post(url(place), body)).expect(201)

    await asyncio.gather(*(create(start) for start in range(8)))
    client = through(start_proxy(watch_renew_s="1").url, user)
    async with following(client, watching(place)) as stream:
        assert await stream.next()
        await asyncio.sleep(3)
        assert len(await stream.beginning()) == count
        await make(user.client, place, "after")
        await stream.until("ADDED", "after")


async def test_a_slow_reader_that_reads_gets_everything(user: User, place: str) -> None:
    async with following(user.client, watching(place)) as stream:
        await stream.beginning()
        for index in range(60):
            body = ghost(f"s{index}", f"{index} " + "z" * 100_000)
            (await user.client.post(url(place), body)).expect(201)
        for index in range(60):
            await asyncio.sleep(0.01)
            await stream.until("ADDED", f"s{index}")


async def test_api_servers_that_do_not_mark_the_beginnings_end(
    session: aiohttp.ClientSession,
    control_plane: ControlPlane,
    start_proxy: ProxyFactory,
    tmp_path: Path,
) -> None:
    """They refuse ``sendInitialEvents``; then ids start when the initial events must be over."""

    def event(kind: str, name: str, version: int) -> bytes:
        metadata = {"name": name, "resourceVersion": str(version)}
        body = {"apiVersion": "agent.wecode.io/v1", "kind": "Ghost", "metadata": metadata}
        return json.dumps({"type": kind, "object": body}).encode() + b"\n"

    def refusal(code: int, message: str) -> bytes:
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
        return json.dumps({**status, "message": message}).encode()

    unknown = "ListOptions is invalid: sendInitialEvents: Forbidden: the WatchList feature gate"
    events = [("ADDED", "a", 9), ("ADDED", "b", 5), ("MODIFIED", "b", 11), ("ADDED", "c", 12)]
    async with recorder() as upstream:
        upstream.answers += [
            http_answer(refusal(422, unknown), "422 Unprocessable Entity"),
            http_answer(b"".join(event(*it) for it in events)),
            http_answer(refusal(403, "no"), "403 Forbidden"),
        ]
        kubeconfig = write_kubeconfig(
            tmp_path / "kubeconfig",
            name="old",
            server=upstream.url,
            ca_file=control_plane.ca_file,
            credentials="own",
        )
        client = Client(session, start_proxy(kubeconfig).url, "callers")
        async with following(client, f"{GHOSTS}?watch=true") as stream:
            *seen, last = await stream.rest()
        asked = [URL(it.split(b" ")[1].decode()).query for it in upstream.requests]
    assert [(it.name, it.id) for it in seen] == [("a", None), ("b", None), ("b", "11"), ("c", "12")]
    assert (last.event, last.data["code"]) == ("ERROR", 403)
    assert asked[0]["sendInitialEvents"] == "true"
    assert not {"sendInitialEvents", "resourceVersion"} & set(asked[1])
    assert asked[2]["resourceVersion"] == "12"
