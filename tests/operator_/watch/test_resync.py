"""Resyncs find changes that no watch has reported. These tests run without any watch."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.resyncs import fill
from tests.support.waiting import eventually
from wegent_crds.references import ObjectKey
from wegent_crds.registry import GHOST, Kind
from wegent_kube.content_types import METADATA_LIST
from wegent_operator.app import Operator
from wegent_operator.settings import Settings
from wegent_operator.watch import resync as resync_module


@pytest.fixture
async def listing(
    operator_kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Operator]:
    """An operator that has filled its cache and neither watches nor writes; no other one runs."""
    monkeypatch.setenv("KUBECONFIG", str(operator_kubeconfig))
    made = Operator(Settings())
    await fill(made.resyncer)
    yield made
    await made.stop()


def corrected(operator: Operator) -> float:
    return float(operator.metrics.corrected.labels(GHOST.kind)._value.get())


async def test_a_resync_finds_what_came_changed_and_went(
    api: Api, namespace: str, listing: Operator
) -> None:
    key = ObjectKey("ghosts", namespace, "g")
    assert listing.feed.cache.get(key) is None
    await api.create("ghosts", namespace, "g", {"systemPrompt": "You help."})
    await listing.resyncer.resync(GHOST)
    came = listing.feed.cache.get(key)
    assert came is not None
    assert corrected(listing) == 1

    await listing.resyncer.resync(GHOST)
    assert corrected(listing) == 1, "what is known already is not fetched again"

    access: dict[str, Any] = {"accessFrom": {"namespaceSelectors": [{}]}}
    await api.merge("ghosts", namespace, "g", {"spec": access})
    await listing.resyncer.resync(GHOST)
    changed = listing.feed.cache.get(key)
    assert changed is not None
    assert changed.access_from != came.access_from
    assert corrected(listing) == 2

    await api.ask_to_delete("ghosts", namespace, "g")
    await listing.resyncer.resync(GHOST)
    going = listing.feed.cache.get(key)
    assert going is not None
    assert going.deleting
    path = f"/apis/agent.wecode.io/v1/namespaces/{namespace}/ghosts/g"
    release = {"metadata": {"finalizers": None}}
    merge = "application/merge-patch+json"
    await api.client.request("PATCH", path, body=release, content_type=merge)
    await listing.resyncer.resync(GHOST)
    assert listing.feed.cache.get(key) is None
    assert corrected(listing) == 4


async def test_an_empty_list_of_metadata_is_a_list(api: Api) -> None:
    path = "/apis/agent.wecode.io/v1/teams"
    nobodys = {"labelSelector": "no.such/label"}
    pages = [page async for page in api.client.pages(path, params=nobodys, accept=METADATA_LIST)]
    assert [page["items"] for page in pages] == [[]], "the server sends null"


async def test_a_resync_that_fails_is_taken_up_again(
    listing: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resync_module, "RETRY_S", 0.01)
    monkeypatch.setattr(resync_module, "SETTLE_S", 0.01)
    really, failures = listing.resyncer.resync, iter([KeyError("unforeseen"), None])
    swept: list[Kind] = []

    async def resync(kind: Kind) -> None:
        if (error := next(failures, None)) is not None:
            raise error
        await really(kind)
        swept.append(kind)

    monkeypatch.setattr(listing.resyncer, "resync", resync)
    running = asyncio.create_task(listing.resyncer.run(interval_s=3600))
    listing.resyncer.listed(GHOST.plural)
    await eventually(lambda: swept == [GHOST], within_s=30, what="the Ghosts to be swept after all")
    running.cancel()
