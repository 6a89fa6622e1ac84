"""The run of a Task by one Bot of a Chat Shell."""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

from wegent_crds.phases import Phase
from wegent_runner.claims.claim import Claim
from wegent_runner.claims.outcome import Outcome
from wegent_runner.engine.conversation import shortened, turns_of, turns_of_task
from wegent_runner.engine.failures import CallFailed, ContextExceeded
from wegent_runner.engine.meter import BudgetExceeded, Meter
from wegent_runner.engine.model_stream import Done, ModelCaller, Turn
from wegent_runner.plan.plan import ModelPlan, Plan
from wegent_runner.runs.hub import Hub
from wegent_runner.runs.log import LogFull, RunLog
from wegent_runner.store.transcripts import Transcript, TranscriptStore

logger = logging.getLogger(__name__)

TRIES_PER_MODEL: Final = 4
FIRST_PAUSE_S: Final = 0.5
MAX_PAUSE_S: Final = 30.0


class ChatEngine:
    """Runs Tasks: one call of a Model each, streamed into the run's log, and stored."""

    def __init__(
        self,
        caller: ModelCaller,
        store: TranscriptStore,
        hub: Hub,
        chance: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._caller = caller
        self._store = store
        self._hub = hub
        self._chance = chance

    async def run(self, claim: Claim, plan: Plan) -> Outcome:
        """Run a claimed Task, and return its outcome.

        Raises:
            Fenced: a later attempt has begun.
            StoreError: the store failed.
            asyncio.CancelledError: the claim is lost, or the runner stops.
        """
        previous = None if plan.previous is None else await claim.read(plan.previous)
        stored = await self._store.open(
            claim.uid,
            claim.attempt,
            namespace=claim.namespace,
            name=claim.name,
            prompt=plan.prompt,
            previous=previous["metadata"]["uid"] if previous else None,
            history=[{"role": turn.role, "content": turn.text} for turn in plan.history],
        )
        log = RunLog(claim.attempt, stored.items)
        self._hub.add(claim.uid, log)
        try:
            if plan.previous is not None and stored.previous is None:
                what = f"spec.previousTaskRef: Task {claim.namespace}/{plan.previous}"
                outcome = Outcome(Phase.FAILED, message=f"{what} was deleted")
            else:
                before = await self._turns_before(stored, previous)
                outcome = await self._answer(claim, plan, before, log)
            end = {"phase": outcome.phase.value, "message": outcome.message, **_shown(outcome)}
            await self._store.close(claim.uid, claim.attempt, end)
            log.close(end)
            return outcome
        finally:
            log.abandon()
            self._hub.remove(claim.uid, log)

    async def _turns_before(
        self, stored: Transcript, previous: Mapping[str, Any] | None
    ) -> Sequence[Turn]:
        """Return the conversation that a Task continues; empty if it begins one."""
        if stored.previous is None:
            return []
        turns = turns_of(await self._store.conversation(stored.previous))
        return turns or (turns_of_task(previous) if previous else [])

    async def _answer(
        self, claim: Claim, plan: Plan, before: Sequence[Turn], log: RunLog
    ) -> Outcome:
        if log.messages and log.messages[-1].status == "completed":
            # A former attempt was killed between the answer and the end of its Task.
            return Outcome(Phase.COMPLETED, result=log.messages[-1].text)
        before = [*before, *(Turn(turn.role, turn.text) for turn in plan.history)]
        meter = Meter(claim)
        try:
            await self._call_any(plan, before, log, meter)
            message = log.finish()
        except asyncio.CancelledError:
            if not claim.cancelled:
                raise
            await self._store_partial(claim, log)
            return Outcome(Phase.CANCELLED, message="The Task was cancelled.", usage=claim.usage)
        except BudgetExceeded as error:
            text = await self._store_partial(claim, log)
            return Outcome(Phase.FAILED, result=text, message=str(error), usage=claim.usage)
        except (CallFailed, LogFull) as error:
            await self._store_partial(claim, log)
            reason = str(error) or "the answer is longer than a run may be"
            return Outcome(Phase.FAILED, message=reason, usage=claim.usage)
        await self._store.add(claim.uid, message)
        return Outcome(Phase.COMPLETED, result=message.text, usage=claim.usage)

    async def _store_partial(self, claim: Claim, log: RunLog) -> str | None:
        """Store the message that is being written, if any, and return its text."""
        if not log.is_writing:
            return None
        message = log.finish("incomplete")
        await self._store.add(claim.uid, message)
        return message.text

    async def _call_any(
        self, plan: Plan, before: Sequence[Turn], log: RunLog, meter: Meter
    ) -> None:
        """Call the Bot's Model, and those to fall back to in turn, until one has answered.

        Raises:
            CallFailed: all have failed; it is the failure of the last one.
            BudgetExceeded: the Task's budget is used up.
        """
        failure: CallFailed | None = None
        for model in plan.bot.models:
            try:
                await self._call(model, plan, before, log, meter)
            except CallFailed as error:
                logger.warning("%s: %s", error.reason, error)
                failure = error
            else:
                return
        if failure is not None:
            raise failure

    async def _call(
        self, model: ModelPlan, plan: Plan, before: Sequence[Turn], log: RunLog, meter: Meter
    ) -> None:
        """Call one Model, several times if need be."""
        tries = 0
        while True:
            try:
                await self._stream(model, plan, before, log, meter)
            except ContextExceeded:
                if not before:
                    raise
                before = shortened(before)
            except CallFailed as error:
                tries += 1
                if not error.retryable or tries == TRIES_PER_MODEL:
                    raise
                await asyncio.sleep(self._pause_s(tries, error.retry_after_s))
            else:
                return
            log.discard()

    async def _stream(
        self, model: ModelPlan, plan: Plan, before: Sequence[Turn], log: RunLog, meter: Meter
    ) -> None:
        log.discard()
        meter.begin_request()
        log.begin(plan.bot.name)
        turns = [*before, Turn("user", plan.prompt)]
        async with aclosing(self._caller.stream(model, plan.bot.instructions, turns)) as stream:
            async for piece in stream:
                if isinstance(piece, Done):
                    meter.end_request(piece.usage)
                else:
                    log.append(piece)

    def _pause_s(self, tries: int, retry_after_s: float | None) -> float:
        """Return the pause before the next try: what the provider asked for, or a growing one."""
        pause_s = FIRST_PAUSE_S * 2.0 ** (tries - 1)
        if retry_after_s is not None:
            return min(retry_after_s, MAX_PAUSE_S) + self._chance(0.0, FIRST_PAUSE_S)
        return self._chance(pause_s / 2, pause_s)


def _shown(outcome: Outcome) -> dict[str, Any]:
    return {"usage": dict(outcome.usage)} if outcome.usage else {}
