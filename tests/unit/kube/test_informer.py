"""Lists and watches that fail in every way, and then continue."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Any

import pytest

from tests.support.stub_api import (
    LIST_FAULTS,
    WATCH_FAULTS,
    StubApi,
    body,
    connection_to,
    refusal,
    stub_api,
)
from tests.support.waiting import eventually
from wegent_api.upstream.identity import Identity
from wegent_api.upstream.role_bindings import Bindings
from wegent_kube import KubeClient
from wegent_kube.backoff import Backoff
from wegent_kube.informer import Informer, Name
from wegent_kube.paging import OBJECTS_PAGE_SIZE, PAGE_BYTES, PageLimit
from wegent_kube.resources import ROLE_BINDINGS

PATH = "/apis/example.org/v1/things"
FAILING_S = 1.0
FIRST_S, CAP_S = 0.05, 0.2


class Seen:
    """A handler that records its calls."""

    def __init__(self) -> None:
        self.names: set[Name] = set()
        self.failures = 0

    def changed(self, body: Mapping[str, Any]) -> None:
        self.names.add(("default", body["metadata"]["name"]))

    def deleted(self, name: Name) -> None:
        self.names.discard(name)

    def listed(self, names: AbstractSet[Name]) -> None:
        self.names &= names

    def failed(self, error: Exception) -> None:
        del error
        self.failures += 1


@pytest.fixture
async def stub() -> AsyncIterator[StubApi]:
    async with stub_api() as served:
        yield served


async def follow_through(verb: str, fault: str) -> None:
    """Let a list or a watch fail for a while, then check that changes arrive."""
    async with stub_api() as stub, KubeClient(connection_to(stub)) as client:
        stub.put(PATH, "a")
        stub.faults[PATH, verb] = (LIST_FAULTS if verb == "list" else WATCH_FAULTS)[fault]
        seen = Seen()
        informer = Informer(client, PATH, seen, backoff=Backoff(FIRST_S, CAP_S), lasts_s=1)
        running = asyncio.create_task(informer.run())
        began = time.monotonic()
        await eventually(lambda: stub.asked[PATH, verb] >= 3, within_s=60, what=fault)
        await asyncio.sleep(FAILING_S)
        # aiohttp itself repeats a request whose connection is cut.
        most = 10 + 2 * (time.monotonic() - began) / (CAP_S / 2)
        assert stub.asked[PATH, verb] <= most, (fault, stub.asked)
        stub.faults.clear()
        stub.delete(PATH, "a")
        stub.put(PATH, "b")
        asked = Counter(stub.asked)

        async def followed() -> bool:
            again = stub.asked - asked
            # A watch that was never refused continues at its version, without a list.
            followed = seen.names == {("default", "b")} or not again[PATH, "list"]
            assert followed, (fault, seen.names)
            return again[PATH, "watch"] > 0

        await eventually(followed, within_s=60, what=f"it to be followed after {fault}")
        assert not running.done()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_a_list_that_fails_is_tried_again_with_pauses() -> None:
    await asyncio.gather(*(follow_through("list", fault) for fault in LIST_FAULTS))


async def test_a_watch_that_fails_is_tried_again_with_pauses() -> None:
    await asyncio.gather(*(follow_through("watch", fault) for fault in WATCH_FAULTS))


async def test_the_proxys_watch_of_bindings_does_not_spin_where_it_ends_at_once(
    stub: StubApi,
) -> None:
    stub.faults[ROLE_BINDINGS.path(), "watch"] = WATCH_FAULTS["ends at once"]
    async with KubeClient(connection_to(stub)) as client, Bindings(client) as bindings:
        assert await bindings.namespaces(Identity("somebody", ())) == []
        await asyncio.sleep(1)
        assert 1 <= stub.asked[ROLE_BINDINGS.path(), "watch"] <= 5


async def test_a_refused_token_is_read_again(stub: StubApi) -> None:
    tokens = iter(["old", "new", "newer"])
    stub.faults[PATH, "list"] = refusal(401)
    async with KubeClient(connection_to(stub, lambda: next(tokens))) as client:
        for _ in range(2):
            with pytest.raises(Exception, match="401"):
                await client.request("GET", PATH)
        assert stub.tokens == ["Bearer old", "Bearer new"]


async def test_pages_of_large_objects_are_small(stub: StubApi) -> None:
    prompt = "智" * 131_072
    for number in range(60):
        stub.put(PATH, f"g{number}", spec={"systemPrompt": prompt})
    async with KubeClient(connection_to(stub)) as client:
        sizes = [len(page["items"]) async for page in client.pages(PATH)]
    assert sum(sizes) == 60
    in_bytes = 6 * 131_072  # the stub escapes what the API server sends as three bytes
    assert max(sizes[1:]) * in_bytes <= PAGE_BYTES, sizes


async def test_pages_of_small_objects_grow(stub: StubApi) -> None:
    for number in range(300):
        stub.put(PATH, f"g{number}")
    async with KubeClient(connection_to(stub)) as client:
        names = [
            it["metadata"]["name"] async for page in client.pages(PATH) for it in page["items"]
        ]
    assert len(set(names)) == 300
    assert max(stub.limits) == OBJECTS_PAGE_SIZE
    assert len(stub.limits) < 15, stub.limits


def test_a_page_limit_is_never_none() -> None:
    limit = PageLimit()
    limit.adapt(1, 100 * PAGE_BYTES)
    assert limit.objects == 1
    limit.adapt(0, 0)
    assert limit.objects == 1
    limit.adapt(1, 10)
    assert limit.objects == 4


def test_pauses_grow_to_a_cap_and_vary() -> None:
    backoff = Backoff(1.0, 8.0)
    pauses = [backoff.next_s() for _ in range(2000)]
    assert 0.5 <= pauses[0] <= 1.0
    assert max(pauses) <= 8.0
    assert min(pauses[3:]) >= 4.0
    assert len(set(pauses)) > 1000
    backoff.reset()
    assert backoff.next_s() <= 1.0


async def test_a_body_that_never_ends_its_line_is_bounded(
    stub: StubApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wegent_kube.client.MAX_EVENT_BYTES", 1000)
    stub.faults[PATH, "watch"] = body(b"x" * 5000)
    began = time.monotonic()
    async with KubeClient(connection_to(stub)) as client:
        with pytest.raises(Exception, match="LineTooLong"):
            async for _ in client.watch(PATH):
                pass
    assert time.monotonic() - began < 10
