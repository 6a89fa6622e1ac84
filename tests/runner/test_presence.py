"""The Lease of a runner ends with the runner, and another runner deletes that of a killed one."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from wegent_kube import KubeClient, get_or_none, load_connection
from wegent_kube.content_types import APPLY_PATCH
from wegent_kube.resources import LEASES
from wegent_runner.claims.dead_runners import DeadRunners
from wegent_runner.claims.presence import Presence

SYSTEM = "wegent-system"


@pytest.fixture
async def own_api(runner_kubeconfig: Path) -> AsyncIterator[KubeClient]:
    """The API server, with the rights of a runner."""
    async with KubeClient(load_connection(runner_kubeconfig)) as client:
        yield client


async def write_lease(client: KubeClient, name: str, age_s: float) -> None:
    renewed = datetime.now(UTC) - timedelta(seconds=age_s)
    await client.request(
        "PATCH",
        LEASES.path(SYSTEM, name),
        body={
            "apiVersion": LEASES.api_version,
            "kind": "Lease",
            "metadata": {"name": name},
            "spec": {
                "holderIdentity": name,
                "leaseDurationSeconds": 30,
                "renewTime": renewed.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            },
        },
        params={"fieldManager": "wegent-runner", "force": "true"},
        content_type=APPLY_PATCH,
    )


async def leases(client: KubeClient) -> set[str]:
    return {
        lease["metadata"]["name"]
        async for page in client.pages(LEASES.path(SYSTEM))
        for lease in page["items"]
    }


@pytest.mark.parametrize("age_s", [0, 86400, -86400])
async def test_a_lease_that_nobody_renews_is_deleted_whatever_the_clocks_say(
    own_api: KubeClient, age_s: float
) -> None:
    name = uuid.uuid4().hex[:8]
    alive, dead = (f"wegent-runner-{name}-{it}" for it in ("alive", "dead"))
    await write_lease(own_api, alive, age_s)
    await write_lease(own_api, dead, age_s)
    sweeps = DeadRunners(own_api, SYSTEM)
    try:
        await sweeps.sweep()
        assert {alive, dead} <= await leases(own_api)
        await write_lease(own_api, alive, age_s - 1)
        await sweeps.sweep()
        assert await leases(own_api) & {alive, dead} == {alive}
    finally:
        for it in (alive, dead):
            await get_or_none(own_api.request("DELETE", LEASES.path(SYSTEM, it)))


class SlowApi:
    """An API server that carries a write out after the client has given up."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.go_on = asyncio.Event()
        self.done: list[str] = []

    async def request(self, method: str, *_: Any, **__: Any) -> None:
        self.arrived.set()
        if method == "PATCH":
            await self.go_on.wait()
        self.done.append(method)


async def test_a_write_on_its_way_comes_before_the_deletion() -> None:
    api = SlowApi()
    presence = Presence(cast("KubeClient", api), SYSTEM, "wegent-runner-x", "http://127.0.0.1")
    running = asyncio.create_task(presence.run())
    await api.arrived.wait()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    ending = asyncio.create_task(presence.end())
    await asyncio.sleep(0.05)
    api.go_on.set()
    await ending
    assert api.done == ["PATCH", "DELETE"]
