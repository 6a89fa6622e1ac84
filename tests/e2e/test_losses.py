"""Pods that are killed and replaced while the API is in use and objects change.

The tests assert the allowed losses; the run's summary has the durations.
"""

import time
import urllib.error
from typing import Any

import pytest

from tests.e2e.conftest import Measured
from tests.e2e.load import Load
from tests.e2e.release import Release
from tests.e2e.rest import Rest
from tests.support.api import is_ready
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(400)
PASSWORD = "securepassword123"
CLIENTS = 8
ROLLED_OUT_WITHIN_S = 180.0


def list_ghosts(rest: Rest) -> None:
    """Send a request, and try another connection if none could be made."""
    for _ in range(20):
        try:
            rest.call("GET", "kinds/ghosts?limit=1").expect(200)
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionRefusedError):
                raise
        else:
            return
        time.sleep(0.1)
    raise AssertionError("no connection in two seconds")


def user_of(release: Release, name: str) -> Rest:
    return release.rest().register(name, PASSWORD)


async def test_a_killed_proxy_loses_what_was_in_flight_there_and_no_more(
    release: Release, measured: Measured
) -> None:
    release.upgrade("api.replicas=3")
    first, *_ = await release.api.are_ready(3, ROLLED_OUT_WITHIN_S)
    user = user_of(release, "killed-under-load")
    with Load(user, list_ghosts, clients=CLIENTS) as load:
        load.answered(100, within_s=60)
        killed_at = load.elapsed_s
        release.cluster.kill(release.api.container(first))
        load.answered(200, within_s=60)
        await release.api.are_ready(3, ROLLED_OUT_WITHIN_S)
        load.answered(100, within_s=60)
    measured("a proxy killed under load", load.account)
    assert len(load.account.failures) <= CLIENTS, load.account
    assert not load.failures_after(killed_at + 10), load.account


async def test_replacing_all_proxies_loses_nothing(release: Release, measured: Measured) -> None:
    release.upgrade("api.replicas=3")
    before = await release.api.are_ready(3, ROLLED_OUT_WITHIN_S)
    user = user_of(release, "rolled-under-load")
    with Load(user, list_ghosts, clients=CLIENTS) as load:
        load.answered(100, within_s=60)
        release.api.restart()
        await release.api.rolled_out(ROLLED_OUT_WITHIN_S)
        after = await release.api.are_ready(3, ROLLED_OUT_WITHIN_S)
        load.answered(100, within_s=60)
    measured("all proxies replaced under load", load.account)
    assert not set(before) & set(after)
    assert not load.account.failures, load.account


async def test_a_killed_operators_work_is_taken_up_and_no_verdict_changes(
    release: Release, measured: Measured
) -> None:
    await release.operator.are_ready(2, ROLLED_OUT_WITHIN_S)
    user = user_of(release, "survivor")
    settled = {f"kept-{n}": make_ghost(user, f"kept-{n}") for n in range(10)}
    for name in settled:
        settled[name] = (await ready(user, name))["metadata"]["resourceVersion"]
    leader = release.leader()
    release.cluster.kill(release.operator.container(leader))
    killed_at = time.monotonic()
    make_ghost(user, "new")
    await ready(user, "new")
    took_s = time.monotonic() - killed_at
    measured("from a leader's kill to the next verdict", f"{took_s:.1f} s")
    for name, version in settled.items():
        kept = user.call("GET", f"kinds/ghosts/{name}?namespace=wegent-survivor").expect(200)
        assert kept.json["metadata"]["resourceVersion"] == version


def make_ghost(user: Rest, name: str) -> str:
    body = {
        "metadata": {"name": name, "namespace": "wegent-survivor"},
        "spec": {"systemPrompt": "You help."},
    }
    made = user.call("POST", "kinds/ghosts", body).expect(201).json
    version: str = made["metadata"]["resourceVersion"]
    return version


async def ready(user: Rest, name: str) -> dict[str, Any]:
    def probe() -> dict[str, Any]:
        path = f"kinds/ghosts/{name}?namespace=wegent-survivor"
        found: dict[str, Any] = user.call("GET", path).expect(200).json
        assert is_ready(found), found["status"]
        return found

    return await eventually(probe, within_s=60, what=f"{name} Ready")
