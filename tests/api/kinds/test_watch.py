"""Watches: events and their ids, none of which is missed."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from devcluster.controlplane import ControlPlane
from devcluster.kubeconfig import write_kubeconfig
from tests.api.conftest import ProxyFactory
from tests.api.events import following
from tests.api.fakes import http_answer, recorder
from tests.api.users import User
from tests.api.watching import (
    GHOSTS,
    change,
    make,
    through,
    url,
    watching,
)
from tests.support.kubectl import Kubectl
from tests.support.proxy import Client


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
