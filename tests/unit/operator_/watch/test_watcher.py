"""A watcher never ends, and an object that can't be handled concerns that object alone."""

import asyncio
import time
from contextlib import suppress

import pytest

from tests.support.stub_api import LIST_FAULTS, WATCH_FAULTS, StubApi, connection_to, stub_api
from tests.support.waiting import eventually
from wegent_kube import ApiError, KubeClient
from wegent_kube.backoff import Backoff
from wegent_kube.resources import Resource
from wegent_operator.runtime.metrics import Metrics
from wegent_operator.runtime.visibility import ABSENT_AFTER_S, Visibility
from wegent_operator.watch.watcher import Watcher

THINGS = Resource("example.org", "v1", "things")
OTHERS = Resource("example.org", "v1", "others")
FAILING_S = 1.0
FIRST_S, CAP_S = 0.05, 0.2


class Watched:
    """Watchers of two resources."""

    def __init__(self, stub: StubApi) -> None:
        self.visibility = Visibility([THINGS.plural, OTHERS.plural], Metrics())
        self.lists: list[str] = []
        self.events: list[tuple[str, str]] = []
        self.client = KubeClient(connection_to(stub))

    async def run(self, resource: Resource) -> None:
        """Watch a resource until cancelled."""
        await Watcher(
            self.client,
            resource,
            lambda type_, body: self.events.append((type_, body["metadata"]["name"])),
            self.visibility,
            self.lists.append,
            lasts_s=1,
            backoff=Backoff(FIRST_S, CAP_S),
        ).run()


async def follow_through(verb: str, fault: str) -> None:
    """Let a list or a watch fail for a while, then check that the resource is watched."""
    async with stub_api() as stub:
        stub.faults[THINGS.path(), verb] = (LIST_FAULTS if verb == "list" else WATCH_FAULTS)[fault]
        watched = Watched(stub)
        running = asyncio.create_task(watched.run(THINGS))
        others = asyncio.create_task(watched.run(OTHERS))
        began = time.monotonic()
        await eventually(lambda: stub.asked[THINGS.path(), verb] >= 3, within_s=60, what=fault)
        await eventually(
            lambda: stub.asked[OTHERS.path(), "watch"], within_s=60, what="others to be watched"
        )
        await asyncio.sleep(FAILING_S)
        # aiohttp itself repeats a request whose connection is cut.
        most = 10 + 2 * (time.monotonic() - began) / (CAP_S / 2)
        assert stub.asked[THINGS.path(), verb] <= most, (fault, stub.asked)
        stub.faults.clear()

        def well() -> bool:
            watched.visibility.listed(THINGS.plural)
            problems = [it for it in watched.visibility.problems() if it.startswith("things:")]
            assert not problems, (fault, problems)
            return stub.asked[THINGS.path(), "watch"] > 0

        await eventually(well, within_s=60, what="it to be watched")
        assert not running.done(), fault
        assert not watched.visibility.silent_since(30), fault
        for task in (running, others):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await watched.client.close()


async def test_a_list_that_fails_is_tried_again() -> None:
    await asyncio.gather(*(follow_through("list", fault) for fault in LIST_FAULTS))


async def test_a_watch_that_fails_begins_again() -> None:
    await asyncio.gather(*(follow_through("watch", fault) for fault in WATCH_FAULTS))


def test_a_resource_is_absent_once_it_is_missing_for_long() -> None:
    now = 0.0
    absent: list[str] = []
    visibility = Visibility(["things"], Metrics(), clock=lambda: now)
    visibility.on_absent = absent.append
    missing = ApiError(404, None)
    visibility.refused("things", missing, gone=True)
    assert visibility.is_hidden("things")
    now = ABSENT_AFTER_S / 2
    visibility.refused("things", ApiError(403, None))
    now = ABSENT_AFTER_S + 1
    visibility.refused("things", missing, gone=True)
    assert visibility.is_hidden("things"), "not every answer was 404"
    assert not absent
    now += ABSENT_AFTER_S
    visibility.refused("things", missing, gone=True)
    assert not visibility.is_hidden("things")
    assert absent == ["things"]
    visibility.relisting("things")
    assert visibility.is_hidden("things"), "it is back, and not listed yet"
    visibility.opened("things")
    assert visibility.is_hidden("things")
    visibility.listed("things")
    assert not visibility.is_hidden("things")
    assert not visibility.problems()


def test_a_404_alone_makes_nothing_absent() -> None:
    now = 0.0
    visibility = Visibility(["things"], Metrics(), clock=lambda: now)
    visibility.on_absent = pytest.fail
    for _ in range(10):
        now += ABSENT_AFTER_S
        visibility.refused("things", ApiError(404, None))
    assert visibility.is_hidden("things")
    assert "does not serve" in visibility.problems()[0]


def test_of_resources_that_are_absent_nothing_is_known_once_one_is_back() -> None:
    """CRDs come back together, but each is retried at its own time."""
    now = 0.0
    seen: list[str] = []
    visibility = Visibility(["things", "others", "more"], Metrics(), clock=lambda: now)
    visibility.on_visible = seen.append
    visibility.listed("more")
    for _ in range(2):
        for name in ("things", "others"):
            visibility.refused(name, ApiError(404, None), gone=True)
        now += ABSENT_AFTER_S
    assert not visibility.any_hidden()
    visibility.relisting("things")
    assert visibility.is_hidden("others")
    assert not visibility.is_hidden("more")
    seen.clear()
    for _ in range(2):
        visibility.refused("others", ApiError(404, None), gone=True)
        now += ABSENT_AFTER_S
    assert not visibility.is_hidden("others"), "it is still missing"
    assert seen == ["others"]


def test_a_list_that_fails_while_watches_work_is_told() -> None:
    visibility = Visibility(["things"], Metrics())
    visibility.relisting("things")
    visibility.opened("things")
    visibility.unlisted("things", ApiError(500, None))
    assert visibility.problems() == ["things: 500"]
    visibility.listed("things")
    assert not visibility.problems()


def test_a_refusal_is_no_silence() -> None:
    now = 0.0
    visibility = Visibility(["things"], Metrics(), clock=lambda: now)
    now = 100.0
    assert visibility.silent_since(60) == ["things"]
    visibility.refused("things", ApiError(403, None))
    assert not visibility.silent_since(60)
    now = 200.0
    visibility.refused("things", TimeoutError(), silent=True)
    assert visibility.silent_since(60) == ["things"]
    assert visibility.problems() == ["things: the API server did not answer"]
