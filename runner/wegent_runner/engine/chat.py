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
from wegent_runner.engine.conversation import shortened, turns_of
from wegent_runner.engine.failures import CallFailed, ContextExceeded
from wegent_runner.engine.model_stream import Done, ModelCaller, Turn, Usage
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
        previous = await self._previous_uid(claim, plan)
        stored = await self._store.open(
            claim.uid,
            claim.attempt,
            namespace=claim.namespace,
            name=claim.name,
            prompt=plan.prompt,
            previous=previous,
            history=[{"role": turn.role, "content": turn.text} for turn in plan.history],
        )
        log = RunLog(claim.attempt, stored.items)
        self._hub.add(claim.uid, log)
        try:
            outcome = await self._answer(claim, plan, log, stored)
            end = {"phase": outcome.phase.value, "message": outcome.message, **_shown(outcome)}
            await self._store.close(claim.uid, claim.attempt, end)
            log.close(end)
            return outcome
        finally:
            self._hub.remove(claim.uid, log)

    async def _previous_uid(self, claim: Claim, plan: Plan) -> str | None:
        if plan.previous is None:
            return None
        return await claim.uid_of(plan.previous)

    async def _answer(self, claim: Claim, plan: Plan, log: RunLog, stored: Transcript) -> Outcome:
        if log.messages and log.messages[-1].status == "completed":
            # A former attempt was killed between the answer and the end of its Task.
            return Outcome(Phase.COMPLETED, result=log.messages[-1].text)
        usage = Usage()
        before = (
            turns_of(await self._store.conversation(stored.previous)) if stored.previous else []
        )
        before += [Turn(turn.role, turn.text) for turn in plan.history]
        try:
            await self._call_any(plan, before, log, usage)
            message = log.finish()
        except asyncio.CancelledError:
            if not claim.cancelled:
                raise
            await self._store_partial(claim, log)
            return Outcome(Phase.CANCELLED, message="The Task was cancelled.", usage=_told(usage))
        except (CallFailed, LogFull) as error:
            await self._store_partial(claim, log)
            reason = str(error) or "the answer is longer than a run may be"
            return Outcome(Phase.FAILED, message=reason, usage=_told(usage))
        await self._store.add(claim.uid, message)
        return Outcome(Phase.COMPLETED, result=message.text, usage=_told(usage))

    async def _store_partial(self, claim: Claim, log: RunLog) -> None:
        if log.is_writing:
            await self._store.add(claim.uid, log.finish("incomplete"))

    async def _call_any(
        self, plan: Plan, before: Sequence[Turn], log: RunLog, usage: Usage
    ) -> None:
        """Call the Bot's Model, and those to fall back to in turn, until one has answered.

        Raises:
            CallFailed: all have failed; it is the failure of the last one.
        """
        failure: CallFailed | None = None
        for model in plan.bot.models:
            try:
                await self._call(model, plan, before, log, usage)
            except CallFailed as error:
                logger.warning("%s: %s", error.reason, error)
                failure = error
            else:
                return
        if failure is not None:
            raise failure

    async def _call(
        self, model: ModelPlan, plan: Plan, before: Sequence[Turn], log: RunLog, usage: Usage
    ) -> None:
        """Call one Model, several times if need be."""
        tries = 0
        while True:
            try:
                await self._stream(model, plan, before, log, usage)
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
        self, model: ModelPlan, plan: Plan, before: Sequence[Turn], log: RunLog, usage: Usage
    ) -> None:
        log.discard()
        log.begin(plan.bot.name)
        turns = [*before, Turn("user", plan.prompt)]
        async with aclosing(self._caller.stream(model, plan.bot.instructions, turns)) as stream:
            async for piece in stream:
                if isinstance(piece, Done):
                    usage.add(piece.usage)
                else:
                    log.append(piece)

    def _pause_s(self, tries: int, retry_after_s: float | None) -> float:
        """Return the pause before the next try: what the provider asked for, or a growing one."""
        pause_s = FIRST_PAUSE_S * 2.0 ** (tries - 1)
        if retry_after_s is not None:
            return min(retry_after_s, MAX_PAUSE_S) + self._chance(0.0, FIRST_PAUSE_S)
        return self._chance(pause_s / 2, pause_s)


def _told(usage: Usage) -> Mapping[str, Any]:
    """Return ``status.usage``."""
    told: dict[str, Any] = {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "cachedInputTokens": usage.cached_input_tokens,
        "modelRequests": usage.model_requests,
    }
    if usage.cost_usd is not None:
        told["costUSD"] = f"{usage.cost_usd:.6f}"
    return told


def _shown(outcome: Outcome) -> dict[str, Any]:
    return {"usage": dict(outcome.usage)} if outcome.usage else {}
