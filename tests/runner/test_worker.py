"""Slots: no Task is forgotten after an error, and none is left behind when the runner stops."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from tests.runner.one_task import OneTask, pending
from tests.support.tasks import RAN
from tests.support.waiting import eventually
from wegent_crds.phases import Phase
from wegent_kube import Unreachable
from wegent_runner.claims import pending as pendings
from wegent_runner.claims import worker as workers
from wegent_runner.claims.claim import Claim
from wegent_runner.claims.outcome import GiveBack, Outcome
from wegent_runner.claims.own_tasks import OwnTasks
from wegent_runner.claims.pending import PendingTasks
from wegent_runner.claims.worker import Worker
from wegent_runner.plan.plan import NotSettled
from wegent_runner.settings import Settings
from wegent_runner.telemetry.metrics import Metrics
from wegent_runner.telemetry.observer import Observer


class Recorder:
    def record(self, *_: object) -> None:
        """Forget the Event."""


class Planned:
    """A plan that uses some objects."""

    ran = RAN


class Bench:
    """A worker on a server of one Task."""

    def __init__(self) -> None:
        self.api = OneTask(pending())
        self.pending = PendingTasks()
        self.plans: list[Any] = []
        """Results of the next calls of ``plan``; exceptions are raised."""
        self.work: Callable[[Claim], Any] = lambda _: Outcome(Phase.COMPLETED, result="x")
        self.closed: list[tuple[str, Outcome | None]] = []
        recorder: Any = Recorder()
        self.worker: Worker[Planned] = Worker(
            self.api.client,
            self.pending,
            OwnTasks(),
            plan=self._plan,
            run=self._run,
            close=self._close,
            observer=Observer(Metrics(), recorder),
            able=self._able,
            settings=Settings(name="wegent-runner-a", slots=1, lease_s=5),
        )
        self.running = asyncio.create_task(self.worker.run())
        self.pending.changed(self.api.task)

    @property
    def phase(self) -> str:
        return str(self.api.status["phase"])

    async def end(self, phase: str = "Completed") -> None:
        await eventually(lambda: self.phase == phase, within_s=30, what=f"the phase {phase}")
        await eventually(lambda: not self.worker.busy, within_s=30, what="a free slot")

    async def stop(self) -> None:
        self.running.cancel()
        with suppress(asyncio.CancelledError):
            await self.running
        await self.worker.drain(0)
        await self.worker.give_back()

    async def _able(self) -> None:
        """Return at once."""

    async def _plan(self, _: object) -> Planned | None:
        plan = self.plans.pop(0) if self.plans else Planned()
        if isinstance(plan, Exception):
            raise plan
        if callable(plan):
            plan = await plan()
        return plan

    async def _run(self, claim: Claim, _: Planned) -> Outcome:
        result = self.work(claim)
        return result if isinstance(result, Outcome) else await result

    def _close(self, _: Claim, outcome: Outcome | None) -> None:
        self.closed.append((self.phase, outcome))


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pendings, "RETRY_S", (0.02, 0.02))
    monkeypatch.setattr(pendings, "ASIDE_S", (0.02, 0.02))
    monkeypatch.setattr(workers, "PAUSE_AFTER_ERROR_S", 0.01)


@pytest.mark.parametrize(
    "plan", [Unreachable("no answer"), KeyError("spec"), NotSettled("changed"), None], ids=str
)
async def test_a_task_is_offered_again_though_nothing_tells_of_it(plan: object) -> None:
    bench = Bench()
    bench.plans = [plan, plan]
    await bench.end()
    assert bench.plans == []
    await bench.stop()


@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_a_task_is_offered_again_after_a_request_without_an_answer(method: str) -> None:
    bench = Bench()
    bench.api.faults[method] = ["refused"]
    await bench.end()
    await bench.stop()


async def test_readers_are_told_of_an_end_that_the_task_has() -> None:
    bench = Bench()
    await bench.end()
    [(phase, outcome)] = bench.closed
    assert phase == "Completed"
    assert outcome is not None
    await bench.stop()


async def test_readers_are_told_of_no_end_when_the_claim_is_lost() -> None:
    bench = Bench()

    def lose(_: Claim) -> Outcome:
        bench.api.change(phase="Pending", claim=None)
        return Outcome(Phase.COMPLETED, result="x")

    bench.work = lose
    await eventually(lambda: bench.closed, within_s=30, what="the end of the log")
    assert bench.closed == [("Pending", None)]
    await bench.stop()


async def test_readers_leave_before_a_task_is_given_back() -> None:
    bench = Bench()

    async def fail(_: Claim) -> Outcome:
        raise GiveBack("StoreUnavailable", "the store failed")

    bench.work = fail
    await eventually(lambda: bench.closed, within_s=30, what="the end of the log")
    await bench.end("Pending")
    assert bench.closed[0] == ("Running", None)
    assert bench.api.status["releases"] == 1
    await bench.stop()


@pytest.mark.parametrize(
    ("releases", "pause_s"), [(None, 0.5), (1, 1.0), (3, 4.0), (4, 8.0), (5, 10.0), (10**9, 10.0)]
)
def test_a_failure_that_lasts_costs_few_writes(releases: int | None, pause_s: float) -> None:
    status = {} if releases is None else {"releases": releases}
    assert workers.pause_before_release_s({"status": status}, lease_s=30) == pause_s


async def test_a_runner_that_stops_in_the_pause_gives_the_task_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workers, "pause_before_release_s", lambda *_: 3600.0)
    bench = Bench()

    async def fail(_: Claim) -> Outcome:
        raise GiveBack("StoreUnavailable", "the store failed")

    bench.work = fail
    await eventually(lambda: bench.closed, within_s=30, what="the end of the log")
    assert bench.phase == "Running"
    await bench.stop()
    assert bench.phase == "Pending"
    assert bench.api.status["releases"] == 1


async def test_a_claim_that_is_cut_off_by_the_stop_is_given_back() -> None:
    """The claim is written, and its answer has not come yet."""
    bench = Bench()
    bench.api.faults["PATCH"] = ["hangs after it"]
    await eventually(lambda: bench.phase == "Running", within_s=30, what="the claim")
    await bench.stop()
    assert bench.phase == "Pending"
    assert bench.api.status["releases"] == 1


async def test_a_give_back_that_takes_too_long_is_left_to_the_lease() -> None:
    bench = Bench()
    bench.work = lambda _: asyncio.sleep(3600)
    await eventually(lambda: bench.phase == "Running", within_s=30, what="the claim")
    bench.api.always = "hangs"
    bench.running.cancel()
    await bench.worker.drain(0)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(bench.worker.give_back(), 0.1)
    await eventually(lambda: not bench.worker.busy, within_s=2, what="no work")
    assert bench.phase == "Running"


async def test_a_slot_is_free_again_after_an_unforeseen_error() -> None:
    bench = Bench()
    await bench.end()
    bench.running.cancel()
    await asyncio.wait([bench.running])

    async def fail() -> None:
        raise RuntimeError

    able, bench.worker._able = bench.worker._able, fail
    bench.api.change(phase="Pending")
    bench.pending.changed(bench.api.task)
    with pytest.raises(RuntimeError):
        await bench.worker.run()
    bench.worker._able = able
    bench.running = asyncio.create_task(bench.worker.run())
    bench.api.change(phase="Pending")
    bench.pending.changed(bench.api.task)
    await bench.end()
    await bench.stop()


async def test_a_runner_that_stops_claims_nothing_more() -> None:
    bench = Bench()
    planning, go_on = asyncio.Event(), asyncio.Event()

    async def slow_plan() -> Planned:
        planning.set()
        await go_on.wait()
        return Planned()

    bench.plans = [slow_plan]
    await planning.wait()
    bench.running.cancel()
    draining = asyncio.create_task(bench.worker.drain(5))
    await asyncio.sleep(0)
    go_on.set()
    await draining
    assert bench.api.writes == []


async def test_the_claim_says_which_objects_the_run_uses() -> None:
    bench = Bench()
    bench.work = lambda _: Outcome(Phase.FAILED, message="It failed.")
    await bench.end("Failed")
    await bench.stop()
    assert [("phase" in write, write.get("ran")) for write in bench.api.writes] == [
        (True, RAN),  # the claim
        (True, None),  # the end
    ]
    assert bench.api.status["ran"] == RAN
