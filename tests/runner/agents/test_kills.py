"""A run that is killed at any point goes on where it was, in each mode.

The kill comes at each point in turn: before and after each write to the store, and within each call
of a Model and of a tool. After it, nothing of the killed attempt happens any more. The cases have
tools that need an approval, approvals of another namespace's editors, replies to the last stage of
a pipeline, and an owner who changes the rule of the approval while the runner is dead.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass
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
HOME: Final = "home"
"""Namespace whose editors approve."""
MAX_ATTEMPTS: Final = 9


class Killed(BaseException):
    """The runner is dead."""


def spec_of(*, held: bool = False, approver: str = "") -> ToolSpec:
    parameters = {"type": "object"}
    return ToolSpec("pay", "Pays.", parameters, "bank", needs_approval=held, approver=approver)


FREE: Final = spec_of()
HELD: Final = spec_of(held=True)
HELD_AT_HOME: Final = spec_of(held=True, approver=HOME)


@dataclass(frozen=True)
class Case:
    """A run.

    Attributes:
        mode: Mode of the Team.
        tool: The tool, which must not be called twice.
        changed: The tool after the kill; None for the same.
        replies: Replies to the last stage of a pipeline before its approval.
    """

    mode: Mode
    tool: ToolSpec = FREE
    changed: ToolSpec | None = None
    replies: int = 0

    def __str__(self) -> str:
        told = {FREE.approver: "free"} if not self.tool.needs_approval else {}
        name = told.get(self.tool.approver, f"held-{self.tool.approver or 'here'}")
        if self.changed is not None:
            held = self.changed.needs_approval
            name += f"-then-{'held' if held else 'free'}-{self.changed.approver or 'here'}"
        return f"{self.mode}-{name}-{self.replies}"


ALL_MODES: Final[Sequence[Mode]] = ("solo", "pipeline", "route", "coordinate", "collaborate")
CASES: Final = (
    *(Case(mode, tool) for mode in ALL_MODES for tool in (FREE, HELD_AT_HOME)),
    Case("pipeline", replies=2),
    *(Case("solo", tool, FREE) for tool in (HELD, HELD_AT_HOME)),
    *(Case(mode, HELD_AT_HOME, HELD) for mode in ("solo", "coordinate")),
    Case("solo", HELD, HELD_AT_HOME),
    Case("solo", FREE, HELD_AT_HOME),
)


@dataclass
class World:
    """All that outlives a runner, and the point at which the runner is killed."""

    tool: ToolSpec
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
    spec: ToolSpec

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
        return [Pay(self.world, self.world.tool)]

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


async def run(world: World, case: Case, inner: TranscriptStore, uid: str) -> tuple[Outcome, int]:
    """Return the outcome of a Task, and the number of questions about a second call."""
    repeats, replies = 0, case.replies
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
            outcome = await engine.run(claim, plan_of(case.mode))
        except Killed:
            world.dead, world.kill_at = False, None
            world.tool = case.changed or case.tool
            continue
        if outcome.phase is not Phase.WAITING:
            return outcome, repeats
        for question in outcome.waiting_for:
            approver = "" if question.kind == "confirmation" else world.tool.approver
            assert question.approver == approver, question
            decision = "deny" if question.kind == "repeat" else "approve"
            repeats += question.kind == "repeat"
            if replies and (question.kind, question.bot) == ("confirmation", "ns/three"):
                decision, replies = "reply", replies - 1
            answers.append({"id": question.id, "decision": decision, "text": "Again."})
    raise AssertionError


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_kill_at_any_point_loses_nothing_and_pays_once(
    store: TranscriptStore, case: Case
) -> None:
    whole = World(case.tool)
    outcome, repeats = await run(whole, case, store, "whole")
    assert (outcome.phase, whole.payments, repeats) == (Phase.COMPLETED, 1, 0), outcome
    at_once = 2 if case.mode in {"coordinate", "collaborate"} else 1
    asked = 0
    for point in range(1, whole.points + 1):
        world = World(case.tool, kill_at=point)
        again, repeats = await run(world, case, store, f"killed-{point}")
        assert again.phase is Phase.COMPLETED, (point, again)
        assert world.payments <= 1, point
        assert world.calls <= whole.calls + at_once, point
        if not repeats:
            assert (again.result, world.payments) == (outcome.result, 1), point
        asked += repeats
    assert asked, "a kill within the call of the tool makes the run ask"
