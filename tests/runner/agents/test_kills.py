"""A run that is killed at any point goes on where it was, in each mode.

The kill comes at each point in turn: before and after each write to the store, and within each call
of a Model and of a tool. After it, nothing of the killed attempt happens any more.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from types import SimpleNamespace
from typing import Any, Final, Self

import pytest

from tests.runner.store.databases import database, database_url, store
from tests.runner.test_engine import TASK, Recorder
from wegent_crds.phases import Phase
from wegent_runner.agents.chat import ChatEngine
from wegent_runner.claims.outcome import Outcome
from wegent_runner.engine.model_stream import Called, CallRequest, Done, ModelInput, Turn, Usage
from wegent_runner.engine.tools import Tool, ToolOutput, ToolSpec
from wegent_runner.plan.plan import BotPlan, McpServerPlan, MemberPlan, Mode, ModelPlan, Plan
from wegent_runner.runs.hub import Hub
from wegent_runner.store.transcripts import TranscriptStore
from wegent_runner.telemetry.metrics import Metrics
from wegent_runner.telemetry.observer import Observer

__all__ = ["database", "database_url", "store"]

MODEL: Final = ModelPlan("ns/m", "openai", "gpt", "chat")
BANK: Final = McpServerPlan("bank", "http", url="http://bank")
MAX_ATTEMPTS: Final = 6


class Killed(BaseException):
    """The runner is dead."""


@dataclass
class World:
    """All that outlives a runner, and the point at which the runner is killed."""

    kill_at: int | None = None
    points: int = 0
    dead: bool = False
    calls: int = 0
    """Calls of Models."""
    payments: int = 0

    def point(self) -> None:
        """Pass a point at which the runner may be killed."""
        self.points += 1
        self.dead = self.dead or self.points == self.kill_at
        if self.dead:
            raise Killed


@dataclass
class MortalStore:
    """A store whose caller may die before or after each write."""

    inner: TranscriptStore
    world: World

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            self.world.point()
            result = await method(*args, **kwargs)
            self.world.point()
            return result

        return call


@dataclass
class Caller:
    """Bot two pays once, the leader gives tasks to all, and all say what they were told."""

    world: World

    async def stream(
        self, _: ModelPlan, told: ModelInput, __: str
    ) -> AsyncGenerator[str | Done, None]:
        self.world.point()
        self.world.calls += 1
        await asyncio.sleep(0)
        called = [it for it in told.messages if isinstance(it, Called)]
        text, calls = "", tuple[CallRequest, ...]()
        offered = [tool.name for tool in told.tools]
        if called:
            text = f"{told.instructions} was told {list(called[-1].results)}"
        elif "pay" in offered:
            calls = (CallRequest("c1", "pay", "{}"),)
        elif "hand_over" in offered:
            calls = (CallRequest("c1", "hand_over", '{"member": "two"}'),)
        elif offered:
            calls = tuple(CallRequest(it, it, '{"task": "Work."}') for it in offered)
        else:
            prompt = [it.text for it in told.messages if isinstance(it, Turn)][-1]
            text = f"{told.instructions} was asked {len(prompt)} characters"
        for piece in filter(None, (text[:5], text[5:])):
            yield piece
            self.world.point()
        yield Done(Usage(1, 1), truncated=False, calls=calls)


@dataclass
class Pay:
    """A tool that must not be called twice."""

    world: World
    spec: ToolSpec = field(default=ToolSpec("pay", "Pays.", {"type": "object"}, "bank"))

    async def call(self, _: Mapping[str, Any]) -> ToolOutput:
        self.world.point()
        self.world.payments += 1
        self.world.point()
        return ToolOutput("paid")


@dataclass
class Mcp:
    """Offers the tool."""

    world: World
    notices: Sequence[str] = ()

    @property
    def tools(self) -> Sequence[Tool]:
        return [Pay(self.world)]

    def toolset(
        self, _: Sequence[McpServerPlan], *, namespace: str, reserved: Collection[str] = ()
    ) -> Self:
        assert namespace
        assert "pay" not in reserved
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


def bot(name: str, *, pays: bool = False) -> BotPlan:
    return BotPlan(f"ns/{name}", name, (MODEL,), mcp_servers=(BANK,) if pays else ())


def plan_of(mode: Mode) -> Plan:
    one, two, three = bot("one"), bot("two", pays=True), bot("three")
    if mode == "solo":
        return Plan("q", two, "id")
    members = [MemberPlan(two), MemberPlan(three, requires_confirmation=True)]
    if mode == "pipeline":
        members = [MemberPlan(one, requires_confirmation=True), *members]
    return Plan("q", one, "id", mode=mode, members=tuple(members))


async def run(world: World, mode: Mode, inner: TranscriptStore, uid: str) -> tuple[Outcome, int]:
    """Return the outcome of a Task, and the number of questions about a second call."""
    repeats = 0
    answers: list[dict[str, str]] = []
    for attempt in count(1):
        assert attempt < MAX_ATTEMPTS
        task = {**TASK, "spec": {"prompt": "q", "answers": answers}}
        task["metadata"] = {**TASK["metadata"], "uid": uid}
        claim: Any = SimpleNamespace(
            uid=uid, attempt=attempt, namespace="ns", name="t", task=task, stopped=None, usage={},
            ran=(),
        )  # fmt: skip
        parts: list[Any] = [Caller(world), MortalStore(inner, world), Mcp(world), Recorder()]
        caller, mortal, mcp, recorder = parts
        engine = ChatEngine(caller, mortal, Hub(), Observer(Metrics(), recorder), mcp)
        try:
            outcome = await engine.run(claim, replace(plan_of(mode)))
        except Killed:
            world.dead, world.kill_at = False, None
            continue
        if outcome.phase is not Phase.WAITING:
            return outcome, repeats
        for question in outcome.waiting_for:
            decision = "deny" if question.kind == "repeat" else "approve"
            repeats += question.kind == "repeat"
            answers.append({"id": question.id, "decision": decision})
    raise AssertionError


@pytest.mark.parametrize("mode", ["solo", "pipeline", "route", "coordinate", "collaborate"])
async def test_a_kill_at_any_point_loses_nothing_and_pays_once(
    store: TranscriptStore, mode: Mode
) -> None:
    whole = World()
    outcome, repeats = await run(whole, mode, store, "whole")
    assert (outcome.phase, whole.payments, repeats) == (Phase.COMPLETED, 1, 0), outcome
    at_once = 2 if mode in {"coordinate", "collaborate"} else 1
    asked = 0
    for point in range(1, whole.points + 1):
        world = World(kill_at=point)
        again, repeats = await run(world, mode, store, f"killed-{point}")
        assert again.phase is Phase.COMPLETED, (point, again)
        assert world.payments <= 1, point
        assert world.calls <= whole.calls + at_once, point
        if not repeats:
            assert (again.result, world.payments) == (outcome.result, 1), point
        asked += repeats
    assert asked, "a kill within the call of the tool makes the run ask"
