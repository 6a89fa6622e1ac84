"""Somebody sets the time of a runner: its claims hold, and its Tasks end as they would."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.runner.conftest import MakeTask
from tests.support.api import Api
from tests.support.provider import Provider, Script
from tests.support.waiting import eventually
from wegent_runner.claims import requests

pytestmark = pytest.mark.usefixtures("operator", "runner")

HOUR_S = 3600


class Clock:
    """The wall clock of the runner, which is off by some seconds."""

    ahead_s = 0.0

    def now(self, _: object = None) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead_s)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(requests, "datetime", clock)
    return clock


@pytest.fixture
def runner_settings(clock: Clock) -> dict[str, Any]:
    assert clock.ahead_s == 0
    return {"lease_s": 5}


async def test_the_clock_jumps_while_a_task_runs(
    api: Api,
    namespace: str,
    clock: Clock,
    provider: Provider,
    make_task: MakeTask,
    ended: MakeTask,
) -> None:
    pieces = [f"{number} " for number in range(120)]
    provider.script = lambda _: Script(pieces=pieces, pause_s=0.1)
    await make_task("before", timeoutSeconds=60)
    await eventually(lambda: provider.calls, within_s=30, what="a call")
    for ahead_s in (HOUR_S, -HOUR_S):
        clock.ahead_s = ahead_s
        await make_task(f"during{ahead_s}", timeoutSeconds=60)
        await asyncio.sleep(4)
        task = await api.get("tasks", namespace, "before")
        assert task is not None
        renewed = datetime.fromisoformat(task["status"]["claim"]["renewedAt"])
        assert abs((renewed - clock.now()).total_seconds()) < 60, "the jump shows in the claim"
    for name in ("before", f"during{HOUR_S}", f"during{-HOUR_S}"):
        status = (await ended(name))["status"]
        assert status["phase"] == "Completed", status
        assert status["attempts"] == 1
        assert status["result"] == "".join(pieces)
    assert len(provider.calls) == 3
