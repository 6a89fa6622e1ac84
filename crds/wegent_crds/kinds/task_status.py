"""The status of a Task: how the work goes, and the rules that keep it possible.

Whoever may write the status, the API server refuses a leap in the Task's life
(``phases.py``). Times are compared by no rule: they come from several clocks, and a
clock that is a little ahead must not keep a Task from ending.
"""

from collections.abc import Iterable
from typing import Annotated, Final, Literal

from pydantic import Field

from wegent_crds.conditions import ConditionType
from wegent_crds.phases import FINAL, TRANSITIONS, Phase, may_become
from wegent_crds.schema.base import Schema
from wegent_crds.schema.extensions import INT32, Rule, Transition, unchanged
from wegent_crds.schema.status import Conditions, Status, Timestamp, pending_conditions

RESULT_MAX_CHARACTERS: Final = 65536
"""With the prompt, what one object can safely hold; longer results belong in files."""
LEASE_MIN_S: Final = 5
"""Renewed three times in a lease, each Task then costs a write every two seconds."""
LEASE_MAX_S: Final = 3600
"""How long the work of a runner that died may lie still at most."""

NEXT: Final = {phase: after for phase, after in TRANSITIONS.items() if after}
HOLDER: Final = r"^[A-Za-z0-9]([-A-Za-z0-9._:/@]*[A-Za-z0-9])?$"


def _cel(phases: Iterable[Phase]) -> str:
    return f"[{', '.join(repr(phase.value) for phase in phases)}]"


def _in_words(phases: tuple[Phase, ...], last: str) -> str:
    return f"{', '.join(phases[:-1])} {last} {phases[-1]}"


_CLAIMED: Final = "oldSelf.phase == 'Pending' && self.phase == 'Running'"


def _claimed(before: "TaskStatus", after: "TaskStatus") -> bool:
    return (before.phase, after.phase) == (Phase.PENDING, Phase.RUNNING)


class Claim(Schema):
    """Who works on the Task, and for how long that may be believed."""

    holder: Annotated[str, Field(min_length=1, max_length=253, pattern=HOLDER)]
    """Name of the runner that has claimed the Task, unique among runners."""
    lease_seconds: Annotated[int, Field(ge=LEASE_MIN_S, le=LEASE_MAX_S), INT32]
    """For how many seconds after each renewal the claim holds, 5 to 3600."""
    renewed_at: Timestamp
    """When the holder last renewed the claim, by its own clock. A new value is a renewal; from
    when the operator sees it, by the operator's clock, the lease runs anew."""


class TaskStatus(Status):
    """How the work goes, and what the operator has found out."""

    conditions: Conditions = pending_conditions(
        ConditionType.RESOLVED_REFS, ConditionType.READY, ConditionType.ACCEPTED
    )
    """The operator's verdict while Pending: ResolvedRefs tells whether every reference can be
    used, Accepted whether the work is to be done, Ready whether it may be begun."""
    phase: Literal["Pending", "Running", "Completed", "Failed", "Cancelled"] = "Pending"
    """Where the work stands; Completed, Failed and Cancelled are the end."""
    claim: Claim | None = None
    """Who works on it; there while Running."""
    attempts: Annotated[int, Field(ge=0), INT32] = 0
    """How often the Task has been claimed. Work done elsewhere can bear the number, to tell
    that of an earlier claim apart."""
    start_time: Timestamp | None = None
    """When the present or last attempt began."""
    completion_time: Timestamp | None = None
    """When the Task came to its end."""
    result: Annotated[str, Field(max_length=RESULT_MAX_CHARACTERS)] | None = None
    """What came of it: up to 65,536 characters."""
    message: Annotated[str, Field(max_length=4096)] | None = None
    """Where the work stands, or why it failed, in words for people."""

    rules = (
        Rule(
            cel="self.phase in ['Running', 'Completed'] ? has(self.startTime)"
            " : !(self.phase == 'Pending' && has(self.startTime))",
            message="startTime is needed when Running or Completed, and absent when Pending",
            check=lambda self: (
                self.start_time is not None
                if self.phase in {Phase.RUNNING, Phase.COMPLETED}
                else not (self.phase == Phase.PENDING and self.start_time is not None)
            ),
            field_path=".startTime",
        ),
        Rule(
            cel=f"(self.phase in {_cel(FINAL)}) == has(self.completionTime)",
            message=f"completionTime is needed when {_in_words(FINAL, 'or')}, and absent before",
            check=lambda self: (self.phase in FINAL) == (self.completion_time is not None),
            field_path=".completionTime",
        ),
        Rule(
            cel="(self.phase == 'Running') == has(self.claim)",
            message="claim is needed while Running, and absent otherwise",
            check=lambda self: (self.phase == Phase.RUNNING) == (self.claim is not None),
            field_path=".claim",
        ),
        Rule(
            cel="!has(self.result) || self.phase in ['Completed', 'Failed']",
            message="result is for a Completed or Failed Task",
            check=lambda self: self.result is None or self.phase in {Phase.COMPLETED, Phase.FAILED},
            field_path=".result",
        ),
    )
    transitions = (
        Transition(
            cel="self.phase == oldSelf.phase"
            + "".join(
                f" || (oldSelf.phase == '{phase}' && self.phase in {_cel(after)})"
                for phase, after in NEXT.items()
            ),
            message="; ".join(
                f"a {phase} Task can become {_in_words(after, 'or')}"
                for phase, after in NEXT.items()
            )
            + f"; {_in_words(FINAL, 'and')} are the end",
            check=lambda before, after: may_become(before.phase, after.phase),
            field_path=".phase",
            message_prefix="""oldSelf.phase + " can't become " + self.phase""",
        ),
        Transition(
            cel=f"!({_CLAIMED})"
            " || self.conditions.exists(it, it.type == 'Ready' && it.status == 'True')",
            message="a Task can be claimed only while its Ready condition is True",
            check=lambda before, after: (
                not _claimed(before, after)
                or any(it.type == "Ready" and it.status == "True" for it in after.conditions)
            ),
            field_path=".claim",
        ),
        Transition(
            cel="!has(self.claim) || !has(oldSelf.claim)"
            " || self.claim.holder == oldSelf.claim.holder",
            message="a Running Task stays with its holder; another can claim it once its lease"
            " has run out and it is Pending again",
            check=lambda before, after: (
                not (before.claim and after.claim) or before.claim.holder == after.claim.holder
            ),
            field_path=".claim",
        ),
        # By more than one when a Task is brought back from the trash with the attempts it had.
        Transition(
            cel=f"({_CLAIMED}) ? self.attempts > oldSelf.attempts"
            " : self.attempts == oldSelf.attempts",
            message="attempts grows with each claim, and stays as it is otherwise",
            check=lambda before, after: (
                after.attempts > before.attempts
                if _claimed(before, after)
                else after.attempts == before.attempts
            ),
            field_path=".attempts",
        ),
        Transition(
            cel=f"self.phase == 'Pending' || ({_CLAIMED}) || ({unchanged('startTime')})",
            message="startTime is set when the Task is claimed, and can't be changed",
            check=lambda before, after: (
                after.phase == Phase.PENDING
                or _claimed(before, after)
                or after.start_time == before.start_time
            ),
            field_path=".startTime",
        ),
        Transition(
            cel=f"!(oldSelf.phase in {_cel(FINAL)})"
            f" || ({unchanged('completionTime', 'result', 'message')})",
            message="what came of a Task can't be changed: completionTime, result and message"
            " are final",
            check=lambda before, after: (
                before.phase not in FINAL
                or (before.completion_time, before.result, before.message)
                == (after.completion_time, after.result, after.message)
            ),
        ),
    )
