"""The run of a Task by one Bot of a Chat Shell."""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final

from wegent_crds.former_tasks import former_uids
from wegent_crds.phases import Phase
from wegent_kube import KubeError
from wegent_runner.claims.claim import Claim, ClaimLost
from wegent_runner.claims.outcome import GiveBack, Outcome
from wegent_runner.engine.conversation import left_out, shortened, turns_of, turns_of_task
from wegent_runner.engine.failures import CallFailed, ContextExceeded, empty_answer
from wegent_runner.engine.meter import BudgetExceeded, Meter
from wegent_runner.engine.model_stream import Done, ModelCaller, Turn, Usage
from wegent_runner.plan.plan import ModelPlan, Plan
from wegent_runner.runs.hub import Hub
from wegent_runner.runs.items import Message
from wegent_runner.runs.log import LogFull, RunLog
from wegent_runner.store.failures import Fenced, StoreError
from wegent_runner.store.transcripts import Transcript, TranscriptStore
from wegent_runner.telemetry.observer import Observer, stopwatch

logger = logging.getLogger(__name__)

NOT_SENT: Final = frozenset({"KeyNotUsable", "KeyUnreadable", "EgressRefused"})
"""Reasons of failures before a request is sent."""
FIRST_PAUSE_S: Final = 0.5
MAX_PAUSE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Before:
    """The turns before a prompt. ``whole`` is False if older ones were not loaded."""

    turns: Sequence[Turn]
    whole: bool = True


class ChatEngine:
    """Runs Tasks: one call of a Model each, streamed into the run's log, and stored."""

    def __init__(
        self,
        caller: ModelCaller,
        store: TranscriptStore,
        hub: Hub,
        observer: Observer,
        *,
        call_s: float = 3600.0,
        chance: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._caller = caller
        self._store = store
        self._hub = hub
        self._observer = observer
        self._call_s = call_s
        self._chance = chance

    async def run(self, claim: Claim, plan: Plan) -> Outcome:
        """Run a claimed Task, store its end, and return its outcome. The log stays open: ``close``.

        Raises:
            ClaimLost: a later attempt has begun.
            GiveBack: the store or the API server failed.
            asyncio.CancelledError: the claim is lost, or the runner stops.
        """
        try:
            return await self._run(claim, plan)
        except Fenced as error:
            raise ClaimLost(str(error)) from error
        except StoreError as error:
            raise GiveBack("StoreUnavailable", f"{error}; waiting for another claim") from error
        except KubeError as error:
            told = f"spec.previousTaskRef can't be read now: {error}"
            raise GiveBack("ApiServerUnavailable", told) from error

    async def _run(self, claim: Claim, plan: Plan) -> Outcome:
        previous = None if plan.previous is None else await claim.other_task(plan.previous)
        stored = await self._store.open(
            claim.uid,
            claim.attempt,
            namespace=claim.namespace,
            name=claim.name,
            prompt=plan.prompt,
            previous=await self._transcript_of(previous) if previous else None,
            history=[{"role": turn.role, "content": turn.text} for turn in plan.history],
        )
        log = RunLog(claim.attempt, stored.items)
        self._hub.add(claim.uid, log)
        if stored.outcome is not None:
            # A former attempt was killed between the answer and the end of its Task.
            claim.usage = stored.outcome.get("usage", {})
            return _outcome_of(stored, stored.outcome)
        try:
            last: Message | None = None
            if plan.previous is not None and stored.previous is None:
                what = f"spec.previousTaskRef: Task {claim.namespace}/{plan.previous}"
                outcome = Outcome(Phase.FAILED, message=f"{what} was deleted")
            else:
                before = await self._turns_before(plan, stored, previous)
                outcome, last = await self._answer(claim, plan, before, log)
            return await self._end(claim, outcome, last)
        except asyncio.CancelledError:
            if claim.stopped is None:
                raise
            last = _partial(log)
            outcome = replace(claim.stopped, result=None if last is None else last.text)
            return await self._end(claim, outcome, last)

    async def _end(self, claim: Claim, outcome: Outcome, last: Message | None) -> Outcome:
        """Store the last message together with the end, which says whether the answer is whole."""
        outcome = replace(outcome, usage=claim.usage)
        await self._store.close(claim.uid, claim.attempt, _end_of(outcome), last)
        return outcome

    def close(self, claim: Claim, outcome: Outcome | None) -> None:
        """End the log of a run: with the outcome that the Task has now, or None without one.

        Readers are told of an end only once it is written into the Task. Without one their
        streams end, and the API proxy looks where the Task runs now.
        """
        log = self._hub.get(claim.uid)
        if log is None or log.attempt != claim.attempt:
            return
        if outcome is None:
            log.abandon()
        else:
            log.close(_end_of(outcome))
        self._hub.remove(claim.uid, log)

    async def _transcript_of(self, previous: Mapping[str, Any]) -> str:
        """Return the UID under which the transcript of the previous Task is stored."""
        metadata = previous["metadata"]
        uid = str(metadata["uid"])
        if former := former_uids(metadata):
            await self._store.adopt(
                uid, former, namespace=metadata["namespace"], name=metadata["name"]
            )
        return uid

    async def _turns_before(
        self, plan: Plan, stored: Transcript, previous: Mapping[str, Any] | None
    ) -> Before:
        """Return the conversation before the prompt; empty if the Task begins one."""
        turns, whole = list[Turn](), True
        if stored.previous is not None:
            earlier = await self._store.conversation(stored.previous)
            turns, whole = turns_of(earlier.transcripts), earlier.whole
            turns = turns or (turns_of_task(previous) if previous else [])
        return Before([*turns, *(Turn(turn.role, turn.text) for turn in plan.history)], whole)

    async def _answer(
        self, claim: Claim, plan: Plan, before: Before, log: RunLog
    ) -> tuple[Outcome, Message | None]:
        """Return the outcome of the calls, and the message that is to be stored with it."""
        conversation = _Conversation(
            self._caller, self._observer, self._call_s, self._chance, claim, plan, before, log
        )
        try:
            await conversation.answer()
            message = log.finish("incomplete" if conversation.truncated else "completed")
        except (BudgetExceeded, CallFailed, LogFull) as error:
            if _reason_of(error) == "KeyUnreadable":
                told = f"{error}; waiting for another claim"
                raise GiveBack("ApiServerUnavailable", told) from error
            partial = _partial(log)
            outcome = Outcome(
                Phase.FAILED,
                result=partial.text if partial and isinstance(error, BudgetExceeded) else None,
                message=str(error) or "the answer is longer than a run may be",
                reason=_reason_of(error),
                notices=tuple(conversation.notices),
            )
            return outcome, partial
        outcome = Outcome(Phase.COMPLETED, result=message.text, notices=tuple(conversation.notices))
        return outcome, message


class _Conversation:
    """The calls of one run, until one Model has answered."""

    def __init__(
        self,
        caller: ModelCaller,
        observer: Observer,
        call_s: float,
        chance: Callable[[float, float], float],
        claim: Claim,
        plan: Plan,
        before: Before,
        log: RunLog,
    ) -> None:
        self._caller = caller
        self._observer = observer
        self._call_s = call_s
        self._chance = chance
        self._claim = claim
        self._plan = plan
        self._before = before
        self._log = log
        self._meter = Meter(claim)
        self.notices: list[str] = []
        """Remarks for the transcript, such as on turns that were left out."""
        self.truncated = False
        """True if the answer has reached the maximum of tokens."""

    async def answer(self) -> None:
        """Call the Bot's Model, and those to fall back to in turn, until one has answered.

        Raises:
            CallFailed: all have failed; it is the failure of the last one.
            BudgetExceeded: a limit of the Task is reached.
            LogFull: the answer is too long.
        """
        failure: CallFailed | None = None
        for model in self._plan.bot.models:
            if failure is not None:
                self._observer.fell_back(self._claim.task, str(failure), model.name)
            try:
                await self._call(model)
            except CallFailed as error:
                logger.warning(
                    "%s: %s", error.reason, error, extra={"requestId": self._plan.request_id}
                )
                failure = error
            else:
                return
        if failure is not None:
            raise failure

    async def _call(self, model: ModelPlan) -> None:
        """Call one Model, several times if need be."""
        tries, told = 0, self._before.turns
        while True:
            try:
                await self._stream_in_time(model, told)
            except ContextExceeded as error:
                self._observer.call_failed(model.provider, error.reason)
                if not told:
                    raise
                told = shortened(told)
            except CallFailed as error:
                if error.reason in NOT_SENT:
                    self._meter.drop_request()
                self._observer.call_failed(model.provider, error.reason)
                tries += 1
                if not error.retryable or tries >= error.max_tries:
                    raise
                pause_s = self._pause_s(tries, error.retry_after_s)
                self._observer.retrying(self._claim.task, str(error))
                await asyncio.sleep(pause_s)
            else:
                if not self._before.whole or len(told) < len(self._before.turns):
                    self.notices.append(
                        left_out(self._before.turns, told, whole=self._before.whole)
                    )
                    self._observer.shortened(self._claim.task, self.notices[-1])
                return
            self._log.discard()

    async def _stream_in_time(self, model: ModelPlan, before: Sequence[Turn]) -> None:
        try:
            async with asyncio.timeout(self._call_s):
                await self._stream(model, before)
        except TimeoutError as error:
            # Bytes that come now and then keep the provider's silence short, and the slot in use.
            told = f"the answer was not complete within {self._call_s:g} s"
            raise CallFailed("Timeout", f"Model {model.name}: {told}") from error

    async def _stream(self, model: ModelPlan, before: Sequence[Turn]) -> None:
        bot, log = self._plan.bot, self._log
        log.discard()
        self._meter.begin_request()
        log.begin(bot.name)
        turns = [*before, Turn("user", self._plan.prompt)]
        since_call_s, wrote, spoke = stopwatch(), False, False
        async with aclosing(
            self._caller.stream(model, bot.instructions, turns, self._plan.request_id)
        ) as stream:
            async for piece in stream:
                if isinstance(piece, Done):
                    self._meter.end_request(piece.usage)
                    self._count(model, piece.usage)
                    if not spoke:
                        raise empty_answer(model.name, truncated=piece.truncated)
                    self.truncated = piece.truncated
                    continue
                if not wrote:
                    wrote = True
                    self._observer.metrics.first_text.observe(since_call_s())
                spoke = spoke or not piece.isspace()
                log.append(piece)

    def _count(self, model: ModelPlan, usage: Usage) -> None:
        self._observer.call_ended(
            model.provider,
            input_=usage.input_tokens,
            cached=usage.cached_input_tokens,
            output=usage.output_tokens,
            cost=usage.cost_usd,
        )

    def _pause_s(self, tries: int, retry_after_s: float | None) -> float:
        """Return the pause before the next try: what the provider asked for, or a growing one."""
        pause_s = FIRST_PAUSE_S * 2.0 ** (tries - 1)
        if retry_after_s is not None:
            return min(retry_after_s, MAX_PAUSE_S) + self._chance(0.0, FIRST_PAUSE_S)
        return self._chance(pause_s / 2, pause_s)


def _reason_of(error: Exception) -> str:
    if isinstance(error, CallFailed):
        return error.reason
    return "BudgetExceeded" if isinstance(error, BudgetExceeded) else "AnswerTooLong"


def _partial(log: RunLog) -> Message | None:
    """Finish the message that is being written, if any."""
    return log.finish("incomplete") if log.is_writing else None


def _outcome_of(stored: Transcript, end: Mapping[str, Any]) -> Outcome:
    """Return the outcome of a former attempt that has the whole answer."""
    return Outcome(
        Phase.COMPLETED,
        result=stored.items[-1].text if stored.items else None,
        usage=end.get("usage", {}),
        notices=tuple(end.get("notices", ())),
    )


def _end_of(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as readers and the transcript have it."""
    end: dict[str, Any] = {"phase": outcome.phase.value, "message": outcome.message}
    if outcome.usage:
        end["usage"] = dict(outcome.usage)
    if outcome.notices:
        end["notices"] = list(outcome.notices)
    return end
