"""Resyncs of many resources, of which some can't be listed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from tests.support.resyncs import fill, going_on, request_all
from tests.support.stub_api import StubApi, connection_to, refusal, stub_api
from tests.support.waiting import eventually
from wegent_crds.references import ObjectKey
from wegent_crds.registry import GHOST, SHELL, SKILL, Kind
from wegent_kube import KubeClient
from wegent_kube.resources import NAMESPACES, ROLE_BINDINGS, resource_of
from wegent_operator.accounts.provisions import Provisions
from wegent_operator.keys.grants import KeyGrants
from wegent_operator.runtime.metrics import Metrics
from wegent_operator.runtime.visibility import Visibility
from wegent_operator.state.cache import Cache
from wegent_operator.watch import resync as resync_module
from wegent_operator.watch.feed import Feed
from wegent_operator.watch.resources import RESOURCES
from wegent_operator.watch.resync import Resyncer

MOST = 30
"""The most lists of a refused resource in a test's time; a busy loop makes hundreds."""


@pytest.fixture
async def stub() -> AsyncIterator[StubApi]:
    async with stub_api() as served:
        yield served


@asynccontextmanager
async def resyncing(stub: StubApi) -> AsyncIterator[Resyncer]:
    untouched = cast("Any", None)
    accounts = "wegent-accounts"
    feed = Feed(Cache(), Provisions(accounts), untouched, untouched, accounts, KeyGrants())
    metrics = Metrics()
    async with KubeClient(connection_to(stub)) as client:
        visibility = Visibility([it.plural for it in RESOURCES], metrics)
        yield Resyncer(client, feed, metrics, visibility)


@pytest.mark.parametrize("code", [403, 404, 500])
async def test_one_kind_that_cannot_be_listed_keeps_no_other_waiting(
    stub: StubApi, code: int
) -> None:
    stub.faults[resource_of(SKILL).path(), "list"] = refusal(code)
    stub.faults[ROLE_BINDINGS.path(), "list"] = refusal(code)
    stub.put(resource_of(GHOST).path(), "g", spec={"systemPrompt": "You help."})
    stub.put(NAMESPACES.path(), "n")
    async with resyncing(stub) as resyncer, going_on(resyncer):
        request_all(resyncer)

        def others() -> bool:
            unlisted = {it.split(":")[0] for it in resyncer._visibility.problems()}
            assert unlisted == {"skills", "rolebindings"}, unlisted
            return resyncer._feed.cache.has_namespace("n")

        await eventually(others, within_s=30, what="all others to be listed")
        await asyncio.sleep(1)
        assert stub.asked[resource_of(SKILL).path(), "list"] <= MOST
        stub.faults.clear()
        await eventually(
            lambda: not resyncer._visibility.problems(), within_s=30, what="all to be listed"
        )


async def test_a_list_that_is_asked_for_while_its_kind_is_swept_is_made(
    stub: StubApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resync_module, "SETTLE_S", 0.01)
    async with resyncing(stub) as resyncer:
        await fill(resyncer)
        resyncs: list[Kind] = []
        under_way, go_on = asyncio.Event(), asyncio.Event()

        async def resync(kind: Kind) -> None:
            resyncs.append(kind)
            under_way.set()
            await go_on.wait()

        monkeypatch.setattr(resyncer, "resync", resync)
        async with going_on(resyncer):
            resyncer.listed(SHELL.plural)
            await asyncio.wait_for(under_way.wait(), 30)
            resyncer.listed(SHELL.plural)
            go_on.set()
            await eventually(lambda: resyncs == [SHELL, SHELL], within_s=30, what="a second resync")


async def test_a_list_that_is_older_than_a_deletion_brings_nothing_back(stub: StubApi) -> None:
    stub.put(resource_of(SHELL).path(), "s", spec={"type": "Chat"})
    async with resyncing(stub) as resyncer:
        key = ObjectKey("shells", "default", "s")
        resyncer._feed.remove(key, "uid-s", version=1000)
        await fill(resyncer)
        assert resyncer._feed.cache.get(key) is None


async def test_a_resync_leaves_a_namespace_that_was_made_after_its_list(stub: StubApi) -> None:
    async with resyncing(stub) as resyncer:
        metadata = {"name": "young", "resourceVersion": "1000", "labels": {"team": "a"}}
        resyncer._feed.upsert_namespace({"metadata": metadata})
        await fill(resyncer)
        assert resyncer._feed.cache.namespace_labels("young") == {"team": "a"}
