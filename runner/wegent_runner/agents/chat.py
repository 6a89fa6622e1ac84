"""The run of a Task by the Bots of a Team, or by one Bot."""

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from wegent_crds.former_tasks import former_uids
from wegent_crds.output_schema import SchemaNotAllowed
from wegent_crds.phases import Phase
from wegent_kube import KubeError
from wegent_runner.agents.journal import unanswered_calls, was_made
from wegent_runner.agents.mcp.client import McpClient
from wegent_runner.agents.modes import Denied, answer_of
from wegent_runner.agents.run import Before, Run, Waits
from wegent_runner.agents.structured import OutputSchema
from wegent_runner.agents.team_run import TeamRun
from wegent_runner.claims.claim import Claim, ClaimLost
from wegent_runner.claims.outcome import GiveBack, Outcome, possible
from wegent_runner.claims.questions import Question
from wegent_runner.engine.conversation import BROKEN, turns_of, turns_of_task
from wegent_runner.engine.failures import CallFailed
from wegent_runner.engine.meter import BudgetExceeded, Meter
from wegent_runner.engine.model_stream import ModelCaller, Turn
from wegent_runner.limits.limits import CallLimits, Unlimited
from wegent_runner.limits.namespace_limits import LimitReached
from wegent_runner.plan.answers import answers_of
from wegent_runner.plan.plan import Plan
from wegent_runner.runs.hub import Hub
from wegent_runner.runs.items import UNPLACED, Message, ToolResult
from wegent_runner.runs.log import LogFull, RunLog
from wegent_runner.runs.used import short_entries
from wegent_runner.store.failures import Fenced, StoreError
from wegent_runner.store.transcript import Transcript
from wegent_runner.store.transcripts import TranscriptStore
from wegent_runner.telemetry.observer import Observer


class ChatEngine:
    """Runs Tasks: their items are put into the run's log, and stored."""

    def __init__(
        self,
        caller: ModelCaller,
        store: TranscriptStore,
        hub: Hub,
        observer: Observer,
        mcp: McpClient,
        *,
        limits: CallLimits | None = None,
        call_s: float = 3600.0,
        chance: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._caller = caller
        self._store = store
        self._hub = hub
        self._observer = observer
        self._mcp = mcp
        self._limits = limits or Unlimited()
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
        # A Task that was restored while it waited goes on where it was.
        uid = await self._transcript_of(claim.task)
        stored = await self._store.open(
            uid,
            claim.attempt,
            namespace=claim.namespace,
            name=claim.name,
            prompt=plan.prompt,
            previous=await self._transcript_of(previous) if previous else None,
            history=[{"role": turn.role, "content": turn.text} for turn in plan.history],
            used=plan.used,
        )
        log = RunLog(claim.attempt, stored.items)
        self._hub.add(claim.uid, log)
        if stored.outcome is not None:
            # A former attempt was killed between the answer and the end of its Task.
            claim.usage = stored.outcome.get("usage", {})
            if records := await self._store.records(claim.uid):
                claim.ran = short_entries(records[-1].objects)
            return _outcome_of(stored, stored.outcome)
        run = self._run_of(claim, plan, log)
        made = sum(isinstance(it, ToolResult) and was_made(it) for it in log.items)
        run.meter.resume_tool_calls(made)
        try:
            if plan.previous is not None and stored.previous is None:
                what = f"spec.previousTaskRef: Task {claim.namespace}/{plan.previous}"
                outcome = Outcome(Phase.FAILED, message=f"{what} was deleted")
            else:
                before = await self._turns_before(run, plan, stored, previous)
                outcome = await self._answer(run, plan, before)
            return await self._end(run, outcome)
        except asyncio.CancelledError:
            if claim.stopped is None:
                raise
            last = _partial(run)
            outcome = replace(claim.stopped, result=None if last is None else last.text)
            return await self._end(run, outcome)

    def _run_of(self, claim: Claim, plan: Plan, log: RunLog) -> Run:
        return Run(
            claim=claim,
            request_id=plan.request_id,
            log=log,
            store=self._store,
            caller=self._caller,
            observer=self._observer,
            meter=Meter(claim),
            limits=self._limits,
            answers=answers_of(claim.task),
            call_s=self._call_s,
            chance=self._chance,
            used=[*plan.used],
        )

    async def _end(self, run: Run, outcome: Outcome) -> Outcome:
        """Store the last items together with the end, which says whether the answer is whole."""
        claim = run.claim
        outcome = replace(outcome, usage=claim.usage)
        if outcome.phase is Phase.WAITING:
            await run.save()
        else:
            _end_calls(run)
            await self._store.close(claim.uid, claim.attempt, _end_of(outcome), *run.unsaved)
        return outcome

    def close(self, claim: Claim, outcome: Outcome | None) -> None:
        """End the log of a run: with the outcome that the Task has now, or None without one.

        Readers are told of an end only once it is written into the Task. Without one their
        streams end, and the API proxy looks where the Task runs now.
        """
        log = self._hub.get(claim.uid)
        if log is None or log.attempt != claim.attempt:
            return
        if outcome is None or outcome.phase is Phase.WAITING:
            log.abandon()
        else:
            log.close(_end_of(outcome))
        self._hub.remove(claim.uid, log)

    async def _transcript_of(self, task: Mapping[str, Any]) -> str:
        """Return the UID under which the transcript of a Task is stored, also of a restored one."""
        metadata = task["metadata"]
        uid = str(metadata["uid"])
        if former := former_uids(metadata):
            await self._store.adopt(
                uid, former, namespace=metadata["namespace"], name=metadata["name"]
            )
        return uid

    async def _turns_before(
        self, run: Run, plan: Plan, stored: Transcript, previous: Mapping[str, Any] | None
    ) -> Before:
        """Return the conversation before the prompt; empty if the Task begins one.

        The transcript says so if Tasks before that were deleted.
        """
        turns, whole = list[Turn](), True
        if stored.previous is not None:
            earlier = await self._store.conversation(stored.previous)
            turns, whole = turns_of(earlier.transcripts), earlier.whole
            broken = earlier.broken
            if not turns and previous is not None:
                turns = turns_of_task(previous)
                broken = "previousTaskRef" in previous["spec"]
            if broken:
                run.notice(BROKEN)
        return Before([*turns, *(Turn(turn.role, turn.text) for turn in plan.history)], whole)

    async def _answer(self, run: Run, plan: Plan, before: Before) -> Outcome:
        """Return the outcome of the run. Its last items are to be stored with it."""
        try:
            schema = OutputSchema.compile(plan.output_schema) if plan.output_schema else None
            message = await answer_of(TeamRun(run, plan, before, self._mcp, schema))
        except SchemaNotAllowed as error:
            return self._failed(run, "OutputSchemaInvalid", str(error))
        except Waits as waits:
            return possible(_waiting(run, waits), run.claim.task)
        except Denied as error:
            return self._failed(run, "Denied", str(error))
        except (BudgetExceeded, CallFailed, LimitReached, LogFull) as error:
            told = str(error) or "the run is longer than a run may be"
            return self._failed(
                run,
                _reason_of(error),
                told,
                told_result=isinstance(error, BudgetExceeded | LimitReached),
            )
        return Outcome(Phase.COMPLETED, result=message.text, notices=tuple(run.notices))

    def _failed(self, run: Run, reason: str, told: str, *, told_result: bool = False) -> Outcome:
        partial = _partial(run)
        return Outcome(
            Phase.FAILED,
            result=partial.text if partial and told_result else None,
            message=told,
            reason=reason,
            notices=tuple(run.notices),
        )


def _end_calls(run: Run) -> None:
    """Give each call that has no result one that says so."""
    with suppress(LogFull):
        for call in unanswered_calls(run.log.items):
            told = "the run was stopped before the result came"
            run.keep(run.log.add(ToolResult(*UNPLACED, told, call, "failed")))


def _waiting(run: Run, waits: Waits) -> Outcome:
    """Return the outcome of a run that goes on once people have answered."""
    asked = tuple(
        Question(
            id=it.id,
            kind=it.kind,
            bot=it.bot,
            message=it.text,
            tool=it.call.name if it.call else None,
            arguments=it.call.text if it.call else None,
            approver=it.approver,
        )
        for it in waits.questions
    )
    return replace(Outcome.waiting(asked), notices=tuple(run.notices))


def _reason_of(error: Exception) -> str:
    if isinstance(error, CallFailed | LimitReached):
        return error.reason
    return "BudgetExceeded" if isinstance(error, BudgetExceeded) else "AnswerTooLong"


def _partial(run: Run) -> Message | None:
    """Finish the message that is being written, if any."""
    if not run.log.is_writing:
        return None
    message = run.log.finish("incomplete", stopped=True)
    run.keep(message)
    return message


def _outcome_of(stored: Transcript, end: Mapping[str, Any]) -> Outcome:
    """Return the outcome of a former attempt that has the whole answer."""
    return Outcome(
        Phase.COMPLETED,
        result=stored.answer or None,
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
