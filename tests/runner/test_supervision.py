"""A part that fails is started again, and the end of the program takes a bounded time."""

import asyncio
from pathlib import Path

import pytest

from devcluster.controlplane import ControlPlane
from tests.runner.conftest import MakeTask, Running
from tests.support.identity import token_for
from tests.support.kubectl import Kubectl
from tests.support.provider import Provider, Script
from tests.support.relay import kubeconfig_over, link_to
from tests.support.runner import RunnerProcess
from tests.support.waiting import eventually
from wegent_runner import supervision
from wegent_runner.claims.dead_runners import DeadRunners
from wegent_runner.supervision import DEAD_AFTER, END_S, Ending, Parts


class Part:
    """Fails some times, and then works."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.began = 0

    async def run(self) -> None:
        self.began += 1
        if self.began <= self.failures:
            raise RuntimeError("unforeseen")
        await asyncio.sleep(3600)


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "PAUSE_MAX_S", 0.001)


@pytest.mark.usefixtures("short_pauses")
async def test_a_part_that_fails_is_started_again() -> None:
    parts, part = Parts(), Part(1)
    keeping = asyncio.create_task(parts.keep("watch", part.run))
    await eventually(lambda: part.began == 2, within_s=30, what="a second start")
    assert parts.dead == []
    keeping.cancel()


@pytest.mark.usefixtures("short_pauses")
async def test_a_part_that_fails_again_and_again_is_dead_until_it_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts, part, tidying = Parts(), Part(DEAD_AFTER), Part(DEAD_AFTER)
    monkeypatch.setattr(supervision, "STEADY_S", 3600)
    keeping = [
        asyncio.create_task(parts.keep("watch", part.run)),
        asyncio.create_task(parts.keep("sweeps", tidying.run, vital=False)),
    ]
    await eventually(
        lambda: part.began == tidying.began == DEAD_AFTER + 1, within_s=30, what="the starts"
    )
    assert parts.dead == ["watch"]
    for it in keeping:
        it.cancel()
    monkeypatch.setattr(supervision, "STEADY_S", 0.01)
    parts, part = Parts(), Part(DEAD_AFTER)
    again = asyncio.create_task(parts.keep("watch", part.run))
    await eventually(lambda: part.began == DEAD_AFTER + 1, within_s=30, what="the starts")
    await eventually(lambda: not parts.dead, within_s=30, what="a part that works")
    again.cancel()


async def test_steps_that_hang_share_one_deadline() -> None:
    ending, done = Ending(0.1), list[str]()

    async def hang() -> None:
        await asyncio.sleep(3600)

    async def do() -> None:
        done.append("done")

    async with asyncio.timeout(30):
        await ending.step("short", hang, 0.01)
        await ending.step("first", do)
        await ending.step("long", hang)
        await ending.step("late", hang)
    assert done == ["done"]


@pytest.fixture
def failed(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Sweeps that fail, in the runner that starts next."""
    failed = list[object]()

    async def fail(part: DeadRunners) -> None:
        failed.append(part)
        raise ValueError("unforeseen")

    monkeypatch.setattr(DeadRunners, "sweep", fail)
    return failed


@pytest.mark.usefixtures("operator")
async def test_an_unforeseen_error_of_a_part_ends_no_run(
    failed: list[object], make_task: MakeTask, ended: MakeTask, runner: Running
) -> None:
    await eventually(lambda: len(failed) > 1, within_s=30, what="a sweep after one that failed")
    await make_task()
    assert (await ended())["status"]["attempts"] == 1
    assert not runner.task.done()


@pytest.mark.usefixtures("operator", "runner_kubeconfig")
async def test_a_runner_ends_in_time_though_the_api_server_hangs(
    control_plane: ControlPlane,
    kubectl: Kubectl,
    tmp_path: Path,
    provider: Provider,
    make_task: MakeTask,
) -> None:
    async with link_to(control_plane.server) as link:
        kubeconfig = kubeconfig_over(
            link,
            control_plane,
            tmp_path / "linked",
            token_for(kubectl, "wegent-system", "wegent-runner"),
        )
        process = RunnerProcess(
            kubeconfig,
            tmp_path / "runner.log",
            lease_s="60",
            store_url=f"sqlite:///{tmp_path}/store.db",
            drain_s="0",
        )
        await asyncio.to_thread(process.start)
        provider.script = lambda _: Script(pieces=["word "] * 600, pause_s=0.1)
        await make_task()
        await eventually(lambda: provider.calls, within_s=30, what="a call")
        link.stall()
        began = asyncio.get_running_loop().time()
        assert await asyncio.to_thread(process.stop) == 0, process.tail()
        took_s = asyncio.get_running_loop().time() - began
    assert took_s < END_S + 2, process.tail()
