"""Sweeps of many resources, some of which can't be listed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import pytest

from tests.support.stub_api import StubApi, connection_to, refusal, stub_api
from tests.support.waiting import eventually
from wegent_crds.references import ObjectKey
from wegent_crds.registry import GHOST, SHELL, SKILL, Kind
from wegent_kube import KubeClient
from wegent_kube.resources import NAMESPACES, ROLE_BINDINGS, resource_of
from wegent_operator.accounts.controller import Provisions
from wegent_operator.runtime.metrics import Metrics
from wegent_operator.state.store import Store
from wegent_operator.watch import resync as sweep_module
from wegent_operator.watch.feed import Feed
from wegent_operator.watch.resync import RESOURCES, Sweeper
from wegent_operator.watch.sight import Sight

MOST = 30
"""The most lists of a refused resource in a test's time; a busy loop makes hundreds."""


@pytest.fixture
async def stub() -> AsyncIterator[StubApi]:
    async with stub_api() as served:
        yield served


@asynccontextmanager
async def sweeping(stub: StubApi) -> AsyncIterator[Sweeper]:
    untouched = cast("Any", None)
    accounts = "wegent-accounts"
    feed = Feed(Store(), Provisions(accounts), untouched, untouched, accounts)
    metrics = Metrics()
    async with KubeClient(connection_to(stub)) as client:
        sight = Sight([it.plural for it in RESOURCES], metrics)
        yield Sweeper(client, feed, metrics, sight)


@asynccontextmanager
async def going_on(sweeper: Sweeper) -> AsyncIterator[None]:
    running = asyncio.create_task(sweeper.run(3600))
    yield
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


@pytest.mark.parametrize("code", [403, 404, 500])
async def test_one_kind_that_cannot_be_listed_keeps_no_other_waiting(
    stub: StubApi, code: int
) -> None:
    stub.faults[resource_of(SKILL).path(), "list"] = refusal(code)
    stub.faults[ROLE_BINDINGS.path(), "list"] = refusal(code)
    stub.put(resource_of(GHOST).path(), "g", spec={"systemPrompt": "You help."})
    stub.put(NAMESPACES.path(), "n")
    async with sweeping(stub) as sweeper, going_on(sweeper):
        for resource in RESOURCES:
            sweeper.listed(resource.plural)

        def others() -> bool:
            unlisted = {it.split(":")[0] for it in sweeper._sight.problems()}
            assert unlisted == {"skills", "rolebindings"}, unlisted
            return sweeper._feed.store.has_namespace("n")

        await eventually(others, within_s=10, what="all others to be listed")
        await asyncio.sleep(1)
        assert stub.asked[resource_of(SKILL).path(), "list"] <= MOST
        stub.faults.clear()
        await eventually(
            lambda: not sweeper._sight.problems(), within_s=20, what="all to be listed"
        )


async def test_the_first_lists_keep_no_other_waiting_either(stub: StubApi) -> None:
    stub.faults[resource_of(SKILL).path(), "list"] = refusal(403)
    async with sweeping(stub) as sweeper:
        filling = asyncio.create_task(sweeper.fill())

        def others() -> bool:
            problems = sweeper._sight.problems()
            assert problems == ["skills: not listed yet"], problems
            return True

        await eventually(others, within_s=10, what="all others to be listed")
        stub.faults.clear()
        await asyncio.wait_for(filling, 20)


async def test_a_list_that_is_asked_for_while_its_kind_is_swept_is_made(
    stub: StubApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "SETTLE_S", 0.01)
    async with sweeping(stub) as sweeper:
        await sweeper.fill()
        sweeps: list[Kind] = []
        under_way, go_on = asyncio.Event(), asyncio.Event()

        async def sweep(kind: Kind) -> None:
            sweeps.append(kind)
            under_way.set()
            await go_on.wait()

        monkeypatch.setattr(sweeper, "sweep", sweep)
        async with going_on(sweeper):
            sweeper.listed(SHELL.plural)
            await asyncio.wait_for(under_way.wait(), 10)
            sweeper.listed(SHELL.plural)
            go_on.set()
            await eventually(lambda: sweeps == [SHELL, SHELL], within_s=10, what="a second sweep")


async def test_a_list_that_is_older_than_a_deletion_brings_nothing_back(stub: StubApi) -> None:
    stub.put(resource_of(SHELL).path(), "s", spec={"type": "Chat"})
    async with sweeping(stub) as sweeper:
        key = ObjectKey("shells", "default", "s")
        sweeper._feed.gone(key, "uid-s", version=1000)
        await sweeper.fill()
        assert sweeper._feed.store.get(key) is None


async def test_a_sweep_leaves_a_namespace_that_was_made_after_its_list(stub: StubApi) -> None:
    async with sweeping(stub) as sweeper:
        metadata = {"name": "young", "resourceVersion": "1000", "labels": {"team": "a"}}
        sweeper._feed.namespace({"metadata": metadata})
        await sweeper.fill()
        assert sweeper._feed.store.namespace_labels("young") == {"team": "a"}
