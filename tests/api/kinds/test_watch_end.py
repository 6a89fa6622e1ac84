"""Watches: each lasts until the token, the right, the client or the proxy goes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from devcluster.controlplane import ControlPlane
from tests.api import jwts
from tests.api.conftest import ProxyFactory
from tests.api.events import following
from tests.api.users import ACCOUNTS, User
from tests.api.watching import (
    ended_with,
    make,
    open_watches,
    through,
    watching,
)
from tests.support.api import Api
from tests.support.audit import AuditLog
from tests.support.kubectl import Kubectl
from tests.support.proxy import Client
from tests.support.relay import kubeconfig_over, link_to
from tests.support.waiting import eventually
from wegent_kube.resources import ROLE_BINDINGS


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
    user: User, place: str, api: Api, start_proxy: ProxyFactory
) -> None:
    client = through(start_proxy(watch_renew_s="1").url, user)
    async with following(client, watching(place)) as stream:
        await stream.beginning()
        await api.client.request("DELETE", ROLE_BINDINGS.path(place, user.name))
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
        kubeconfig = kubeconfig_over(link, control_plane, tmp_path / "kubeconfig", "not-needed")
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
