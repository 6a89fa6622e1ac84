"""The run of a Task by one Bot of a Chat Shell."""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

from wegent_crds.phases import Phase
from wegent_kube import KubeError
from wegent_runner.claims.claim import Claim, ClaimLost
from wegent_runner.claims.outcome import GiveBack, Outcome
from wegent_runner.engine.conversation import left_out, shortened, turns_of
from wegent_runner.engine.failures import CallFailed, ContextExceeded, empty_answer
from wegent_runner.engine.model_stream import Done, ModelCaller, Turn, Usage
from wegent_runner.plan.plan import ModelPlan, Plan
from wegent_runner.runs.hub import Hub
from wegent_runner.runs.log import LogFull, RunLog
from wegent_runner.store.failures import Fenced, StoreError
from wegent_runner.store.retention import former_uid
from wegent_runner.store.transcripts import Transcript, TranscriptStore
from wegent_runner.telemetry.observer import Observer, stopwatch

logger = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 0.5
MAX_PAUSE_S: Final = 30.0


class ChatEngine:
    """Runs Tasks: one call of a Model each, streamed into the run's log, and stored."""

    def __init__(
        self,
        caller: ModelCaller,
        store: TranscriptStore,
        hub: Hub,
        observer: Observer,
        chance: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._caller = caller
        self._store = store
        self._hub = hub
        self._observer = observer
        self._chance = chance

    async def run(self, claim: Claim, plan: Plan) -> Outcome:
        """Run a claimed Task, and return its outcome.

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
        previous = await self._previous_uid(claim, plan)
        stored = await self._store.open(
            claim.uid,
            claim.attempt,
            namespace=claim.namespace,
            name=claim.name,
            prompt=plan.prompt,
            previous=previous,
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
            if not log.ended:
                log.abandon()

    async def _previous_uid(self, claim: Claim, plan: Plan) -> str | None:
        """Return the UID under which the transcript of the previous Task is stored."""
        if plan.previous is None or (task := await claim.other_task(plan.previous)) is None:
            return None
        metadata = task["metadata"]
        uid = str(metadata["uid"])
        if former := former_uid(metadata):
            await self._store.adopt(
                uid, former, namespace=metadata["namespace"], name=metadata["name"]
            )
        return uid

    async def _answer(self, claim: Claim, plan: Plan, log: RunLog, stored: Transcript) -> Outcome:
        if log.messages and log.messages[-1].status == "completed":
            # A former attempt was killed between the answer and the end of its Task.
            return Outcome(Phase.COMPLETED, result=log.messages[-1].text)
        usage, notices = Usage(), list[str]()
        before = (
            turns_of(await self._store.conversation(stored.previous)) if stored.previous else []
        )
        try:
            await self._call_any(claim, plan, before, log, usage, notices)
            message = log.finish()
        except asyncio.CancelledError:
            if not claim.cancelled:
                raise
            await self._store_partial(claim, log)
            return Outcome(Phase.CANCELLED, message="The Task was cancelled.", usage=_told(usage))
        except (CallFailed, LogFull) as error:
            await self._store_partial(claim, log)
            return Outcome(
                Phase.FAILED,
                message=str(error) or "the answer is longer than a run may be",
                usage=_told(usage),
                reason=error.reason if isinstance(error, CallFailed) else "AnswerTooLong",
                notices=tuple(notices),
            )
        await self._store.add(claim.uid, message)
        return Outcome(
            Phase.COMPLETED, result=message.text, usage=_told(usage), notices=tuple(notices)
        )

    async def _store_partial(self, claim: Claim, log: RunLog) -> None:
        if log.is_writing:
            await self._store.add(claim.uid, log.finish("incomplete"))

    async def _call_any(
        self,
        claim: Claim,
        plan: Plan,
        before: Sequence[Turn],
        log: RunLog,
        usage: Usage,
        notices: list[str],
    ) -> None:
        """Call the Bot's Model, and those to fall back to in turn, until one has answered.

        Raises:
            CallFailed: all have failed; it is the failure of the last one.
        """
        failure: CallFailed | None = None
        for model in plan.bot.models:
            if failure is not None:
                self._observer.fell_back(claim.task, str(failure), model.name)
            try:
                await self._call(claim, model, plan, before, log, usage, notices)
            except CallFailed as error:
                logger.warning("%s: %s", error.reason, error)
                failure = error
            else:
                return
        if failure is not None:
            raise failure

    async def _call(
        self,
        claim: Claim,
        model: ModelPlan,
        plan: Plan,
        before: Sequence[Turn],
        log: RunLog,
        usage: Usage,
        notices: list[str],
    ) -> None:
        """Call one Model, several times if need be."""
        tries, told = 0, before
        while True:
            try:
                await self._stream(model, plan, told, log, usage)
            except ContextExceeded as error:
                self._observer.call_failed(model.provider, error.reason)
                if not told:
                    raise
                told = shortened(told)
            except CallFailed as error:
                self._observer.call_failed(model.provider, error.reason)
                tries += 1
                if not error.retryable or tries >= error.max_tries:
                    raise
                pause_s = self._pause_s(tries, error.retry_after_s)
                self._observer.retrying(claim.task, str(error), pause_s)
                await asyncio.sleep(pause_s)
            else:
                if len(told) < len(before):
                    notices.append(left_out(before, told))
                    self._observer.shortened(claim.task, notices[-1])
                return
            log.discard()

    async def _stream(
        self, model: ModelPlan, plan: Plan, before: Sequence[Turn], log: RunLog, usage: Usage
    ) -> None:
        log.discard()
        log.begin(plan.bot.name)
        turns = [*before, Turn("user", plan.prompt)]
        since_call_s, wrote, spoke = stopwatch(), False, False
        async with aclosing(self._caller.stream(model, plan.bot.instructions, turns)) as stream:
            async for piece in stream:
                if isinstance(piece, Done):
                    usage.add(piece.usage)
                    self._count(model, piece.usage)
                    if not spoke:
                        raise empty_answer(model.name, truncated=piece.truncated)
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
    shown: dict[str, Any] = {}
    if outcome.usage:
        shown["usage"] = dict(outcome.usage)
    if outcome.notices:
        shown["notices"] = list(outcome.notices)
    return shown
