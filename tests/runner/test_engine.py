"""The engine's decisions, with a scripted caller: histories that are too long, clocks that jump."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.runner.store.databases import database, database_url, store
from wegent_crds.phases import Phase
from wegent_kube import Unreachable
from wegent_runner.agents.chat import ChatEngine
from wegent_runner.agents.mcp.client import McpClient
from wegent_runner.claims.claim import Claim, ClaimLost
from wegent_runner.claims.outcome import GiveBack, Outcome
from wegent_runner.engine.failures import CallFailed, ContextExceeded
from wegent_runner.engine.model_stream import Done, ModelInput, Turn, Usage
from wegent_runner.plan.plan import BotPlan, ModelPlan, Plan
from wegent_runner.runs.hub import Hub
from wegent_runner.runs.items import Item, Message
from wegent_runner.runs.used import used_object
from wegent_runner.store.failures import Fenced, StoreError
from wegent_runner.store.transcript import Conversation, Transcript
from wegent_runner.store.transcripts import TranscriptStore
from wegent_runner.telemetry.metrics import Metrics
from wegent_runner.telemetry.observer import Observer

__all__ = ["database", "database_url", "store"]

Script = Callable[[Sequence[Turn]], Sequence[str | Exception]]


class Store:
    """The store of one conversation."""

    def __init__(self, turns: int = 0, failure: Exception | None = None) -> None:
        self.earlier = [
            Transcript(f"u{n}", "ns", f"t{n}", 1, None, f"q{n}", (Message(0, 1, 1, f"a{n}"),), {})
            for n in range(turns)
        ]
        self.failure = failure
        self.whole = True
        self.items: list[Item] = []
        self.outcome: dict[str, Any] = {}

    async def open(self, uid: str, attempt: int, **fields: Any) -> Transcript:
        if self.failure:
            raise self.failure
        previous = "earlier" if self.earlier else None
        return Transcript(
            uid, fields["namespace"], fields["name"], attempt, previous, "q", (), None
        )

    @property
    def messages(self) -> list[Message]:
        return [it for it in self.items if isinstance(it, Message)]

    async def conversation(self, uid: str) -> Conversation:
        assert uid == "earlier"
        return Conversation(self.earlier, self.whole)

    async def close(self, _: str, __: int, outcome: dict[str, Any], *items: Item) -> None:
        self.outcome = outcome
        self.items += items


class Caller:
    def __init__(self, script: Script, *, truncated: bool = False) -> None:
        self.script = script
        self.truncated = truncated
        self.calls: list[Sequence[Turn]] = []

    async def stream(
        self, _: ModelPlan, told: ModelInput, __: str
    ) -> AsyncGenerator[str | Done, None]:
        turns = [it for it in told.messages if isinstance(it, Turn)]
        self.calls.append(turns)
        for piece in self.script(turns):
            if isinstance(piece, Exception):
                raise piece
            await asyncio.sleep(0)
            yield piece
        yield Done(Usage(1, 1), truncated=self.truncated)


class Recorder:
    def __init__(self) -> None:
        self.reasons: list[str] = []

    def record(self, _: object, story: Any, __: object) -> None:
        self.reasons.append(story.reason)


TASK = {
    "metadata": {
        "namespace": "ns",
        "name": "t",
        "uid": "u",
        "generation": 1,
        "resourceVersion": "1",
    },
    "spec": {},
    "status": {"attempts": 1, "claim": {"holder": "r", "leaseSeconds": 10}},
}
PLAN = Plan("q", BotPlan("ns/b", "help", (ModelPlan("ns/m", "openai", "gpt", "chat"),)), "id")


def engine(
    caller: Caller, store: Store, *, hub: Hub | None = None, call_s: float = 60.0
) -> tuple[ChatEngine, Recorder]:
    recorder: Any = Recorder()
    fake_caller: Any = caller
    fake_store: Any = store
    observer = Observer(Metrics(), recorder)
    chat = ChatEngine(
        fake_caller,
        fake_store,
        Hub() if hub is None else hub,
        observer,
        cast("McpClient", None),
        call_s=call_s,
        chance=lambda *_: 0.0,
    )
    return chat, recorder


def claim_of(stopped: Outcome | None = None, *, attempt: int = 1) -> Any:
    return SimpleNamespace(
        uid="u", attempt=attempt, namespace="ns", name="t", task=TASK, stopped=stopped, usage={}
    )


async def run(caller: Caller, store: Store) -> tuple[Outcome, Recorder]:
    chat, recorder = engine(caller, store)
    return await chat.run(claim_of(), PLAN), recorder


async def test_a_history_that_is_too_long_loses_its_oldest_turns_and_the_transcript_says_so() -> (
    None
):
    def script(turns: Sequence[Turn]) -> Sequence[str | Exception]:
        return [ContextExceeded("ContextExceeded", "too long")] if len(turns) > 7 else ["yes"]

    caller, store = Caller(script), Store(turns=12)
    outcome, recorder = await run(caller, store)
    assert outcome.phase is Phase.COMPLETED
    assert [len(turns) for turns in caller.calls] == [25, 13, 7]
    assert [turn.text for turn in caller.calls[-1]] == ["q9", "a9", "q10", "a10", "q11", "a11", "q"]
    [notice] = store.outcome["notices"]
    assert "9 of its 12 earlier turns were left out" in notice
    assert recorder.reasons == ["HistoryShortened"]


async def test_a_conversation_that_is_not_loaded_whole_says_so() -> None:
    caller, store = Caller(lambda _: ["yes"]), Store(turns=3)
    store.whole = False
    outcome, recorder = await run(caller, store)
    [notice] = outcome.notices
    assert "older turns were left out: the Model was sent the newest 3" in notice
    assert store.outcome["notices"] == list(outcome.notices)
    assert recorder.reasons == ["HistoryShortened"]


async def test_a_prompt_that_is_too_long_by_itself_fails_the_task() -> None:
    caller = Caller(lambda _: [ContextExceeded("ContextExceeded", "the input is too long")])
    outcome, _ = await run(caller, Store(turns=4))
    assert outcome.phase is Phase.FAILED
    assert outcome.reason == "ContextExceeded"
    assert len(caller.calls[-1]) == 1


async def test_an_llm_that_says_nothing_twice_fails_the_task() -> None:
    caller = Caller(lambda _: [" ", "\n"])
    outcome, recorder = await run(caller, Store())
    assert (outcome.phase, outcome.reason) == (Phase.FAILED, "EmptyAnswer")
    assert len(caller.calls) == 2
    assert recorder.reasons == ["Retrying"]
    assert outcome.usage["outputTokens"] == 2, "both calls are counted"


async def test_a_failure_has_its_reason_and_partial_text_is_kept() -> None:
    store = Store()
    outcome, _ = await run(Caller(lambda _: ["par", CallFailed("KeyRefused", "no")]), store)
    assert (outcome.phase, outcome.reason) == (Phase.FAILED, "KeyRefused")
    assert [(it.text, it.status) for it in store.messages] == [("par", "incomplete")]


async def test_an_answer_at_the_maximum_of_tokens_is_incomplete() -> None:
    store = Store()
    outcome, _ = await run(Caller(lambda _: ["half"], truncated=True), store)
    assert (outcome.phase, outcome.result) == (Phase.COMPLETED, "half")
    assert [(it.text, it.status) for it in store.messages] == [("half", "incomplete")]


@pytest.mark.parametrize("truncated", [True, False])
async def test_an_answer_whose_end_was_not_written_costs_no_other_call(
    store: TranscriptStore, *, truncated: bool
) -> None:
    """The runner dies between the answer and the end of its Task."""
    first, again = Caller(lambda _: ["half"], truncated=truncated), Caller(lambda _: ["other"])
    claim, real_store = claim_of(), cast("Any", store)
    ended = await engine(first, real_store)[0].run(claim, PLAN)
    next_claim = claim_of(attempt=2)
    assert await engine(again, real_store)[0].run(next_claim, PLAN) == ended
    assert (ended.phase, ended.result) == (Phase.COMPLETED, "half")
    assert next_claim.usage == claim.usage
    assert again.calls == []
    found = await store.get("u")
    assert found is not None
    assert [item.text for item in found.items] == ["half"]
    assert found.outcome is not None
    assert found.outcome["phase"] == "Completed"


def with_prompt(text: str) -> Plan:
    """Return a plan whose Ghost has a prompt."""
    metadata = {"namespace": "ns", "name": "g", "uid": "g-uid", "generation": 1}
    ghost = used_object("ghosts", {"metadata": metadata, "spec": {"systemPrompt": text}})
    return replace(PLAN, bot=replace(PLAN.bot, used=(ghost,)))


async def test_an_answer_whose_end_was_not_written_is_of_the_prompt_that_gave_it(
    store: TranscriptStore,
) -> None:
    """The Ghost has changed between the answer and the attempt that ends its Task."""
    then, now, real_store = with_prompt("then"), with_prompt("now"), cast("Any", store)
    await engine(Caller(lambda _: ["whole"]), real_store)[0].run(claim_of(), then)
    claim = claim_of(attempt=2)
    claim.ran = now.ran  # written with the claim, before the stored answer was found
    await engine(Caller(lambda _: []), real_store)[0].run(claim, now)
    assert claim.ran == then.ran
    [record] = await store.records("u")
    assert (record.attempt, [it.hash for it in record.objects]) == (
        1,
        [then.used[0].version.hash],
    )


async def test_an_attempt_after_one_that_failed_calls_again(store: TranscriptStore) -> None:
    failing = Caller(lambda _: ["par", CallFailed("KeyRefused", "no")])
    again, real_store = Caller(lambda _: ["whole"]), cast("Any", store)
    assert (await engine(failing, real_store)[0].run(claim_of(), PLAN)).phase is Phase.FAILED
    outcome = await engine(again, real_store)[0].run(claim_of(attempt=2), PLAN)
    assert (outcome.phase, outcome.result) == (Phase.COMPLETED, "whole")


@pytest.mark.parametrize("reason", ["KeyNotUsable", "EgressRefused"])
async def test_a_request_that_was_not_sent_is_not_counted(reason: str) -> None:
    outcome, _ = await run(Caller(lambda _: [CallFailed(reason, "no")]), Store())
    assert (outcome.phase, outcome.usage["modelRequests"]) == (Phase.FAILED, 0)


async def test_a_key_that_cant_be_read_now_is_no_fault_of_the_task() -> None:
    unreadable = CallFailed("KeyUnreadable", "no answer", retryable=True)
    caller, store = Caller(lambda _: [unreadable]), Store()
    with pytest.raises(GiveBack, match="no answer"):
        await run(caller, store)
    assert len(caller.calls) > 1
    assert store.items == []


async def test_an_answer_that_grows_for_ever_fails_the_call() -> None:
    endless: Any = iter(lambda: ".", "")
    chat, _ = engine(Caller(lambda _: endless), Store(), call_s=0.05)
    outcome = await chat.run(claim_of(), PLAN)
    assert (outcome.phase, outcome.reason) == (Phase.FAILED, "Timeout")
    assert outcome.message == "Model ns/m: the answer was not complete within 0.05 s"


@pytest.mark.parametrize(
    "stopped",
    [
        Outcome(Phase.CANCELLED, message="The Task was cancelled."),
        Outcome(Phase.FAILED, message="Not completed in time", reason="TimedOut"),
    ],
    ids=lambda outcome: outcome.phase,
)
async def test_the_partial_answer_of_a_stopped_task_is_kept(stopped: Outcome) -> None:
    endless: Any = iter(lambda: ".", "")
    store, claim = Store(), claim_of()
    chat, _ = engine(Caller(lambda _: endless), store)
    running = asyncio.create_task(chat.run(claim, PLAN))
    await asyncio.sleep(0.01)
    claim.stopped = stopped
    running.cancel()
    outcome = await running
    assert (outcome.phase, outcome.message) == (stopped.phase, stopped.message)
    assert outcome.result is not None
    assert outcome.result.startswith("..")
    assert outcome.usage["modelRequests"] == 1
    assert store.messages[-1].status == "incomplete"
    assert store.outcome["phase"] == stopped.phase.value


async def test_readers_are_told_of_the_end_once_it_is_written() -> None:
    hub, claim = Hub(), claim_of()
    chat, _ = engine(Caller(lambda _: ["x"]), Store(), hub=hub)
    outcome = await chat.run(claim, PLAN)
    log = hub.get("u")
    assert log is not None
    assert not log.ended
    chat.close(claim, outcome)
    assert log.read(0)[-1].type == "run.ended"
    assert len(hub) == 0


async def test_readers_of_a_lost_run_are_told_of_no_end() -> None:
    hub, claim = Hub(), claim_of()
    chat, _ = engine(Caller(lambda _: ["x"]), Store(), hub=hub)
    await chat.run(claim, PLAN)
    log = hub.get("u")
    assert log is not None
    chat.close(claim, None)
    assert log.abandoned
    assert "run.ended" not in [event.type for event in log.read(0)]
    assert len(hub) == 0
    chat.close(claim, None)


@pytest.mark.parametrize(
    ("failure", "raised"),
    [(StoreError("the store failed: X"), GiveBack), (Fenced("attempt 1 is over"), ClaimLost)],
)
async def test_a_store_that_fails_is_no_fault_of_the_task(
    failure: Exception, raised: type[Exception]
) -> None:
    caller = Caller(lambda _: ["x"])
    with pytest.raises(raised):
        await run(caller, Store(failure=failure))
    assert caller.calls == []


class Server:
    """An API server that takes all writes, or none."""

    def __init__(self) -> None:
        self.gone = False
        self.writes: list[dict[str, Any]] = []

    async def request(self, method: str, _: str, **options: Any) -> Any:
        if self.gone:
            raise Unreachable("no answer")
        if method == "PATCH":
            self.writes.append(options["body"]["status"])
        return TASK


async def test_a_lease_is_measured_by_the_monotonic_clock_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The wall clock jumps by a day in both directions: no claim is lost, no lease is longer."""
    server: Any = Server()
    elapsed = 0.0

    async def work(seconds: float) -> Outcome:
        await asyncio.sleep(seconds)
        return Outcome(Phase.COMPLETED, result="x")

    claim = Claim(server, TASK, mine_until=10.0, clock=lambda: elapsed)
    for stamp in ("2000-01-01T00:00:00.000000Z", "2100-01-01T00:00:00.000000Z"):
        monkeypatch.setattr("wegent_runner.claims.claim.now", lambda stamp=stamp: stamp)
        claim._check_lease()
    assert (await claim.run(work(0.01))).phase is Phase.COMPLETED
    server.gone = True
    lost = Claim(server, TASK, mine_until=10.0, clock=lambda: elapsed)
    running = asyncio.create_task(lost.run(work(60)))
    await asyncio.sleep(0.01)
    elapsed = 10.1
    lost.stir()
    with pytest.raises(ClaimLost, match="lease has expired"):
        await asyncio.wait_for(running, 30)


async def test_work_that_cant_go_on_here_is_not_written_as_an_end() -> None:
    server: Any = Server()

    async def work() -> Outcome:
        raise GiveBack("StoreUnavailable", "the store failed")

    claim = Claim(server, TASK, mine_until=1e9, clock=lambda: 0.0)
    with pytest.raises(GiveBack):
        await claim.run(work())
    assert server.writes == []
    await claim.give_back("the store failed")
    assert server.writes == [
        {
            "phase": "Pending",
            "claim": None,
            "startTime": None,
            "releases": 1,
            "message": "the store failed",
        }
    ]
