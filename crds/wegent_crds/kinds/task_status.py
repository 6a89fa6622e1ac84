"""The status of a Task, and the rules for its changes.

The API server rejects a transition that ``phases.py`` does not list, for every writer of the
status. No rule compares times: they come from several clocks, and a clock that is a little
ahead must not prevent a Task from finishing.
"""

from collections.abc import Iterable
from typing import Annotated, Final, Literal

from pydantic import Field

from wegent_crds.conditions import ConditionType
from wegent_crds.kinds.task_questions import Questions
from wegent_crds.phases import FINAL, TRANSITIONS, Phase, may_become
from wegent_crds.schema.base import Schema
from wegent_crds.schema.extensions import ATOMIC, INT32, INT64, Rule, Transition, unchanged
from wegent_crds.schema.fields import Generation, Money, NamespaceName, ResourceName
from wegent_crds.schema.status import Conditions, Status, Timestamp, pending_conditions

RESULT_MAX_CHARACTERS: Final = 65536
"""One object can safely hold a result of this size and a prompt. Longer results belong in files."""
LEASE_MIN_S: Final = 5
"""Seconds. A runner renews a claim three times in a lease, which is a write every two seconds."""
LEASE_MAX_S: Final = 3600
"""Seconds. After a runner's death, its work stays idle for at most this time."""
RAN_MAX_OBJECTS: Final = 256
"""A Task with the longest prompt and result has room for this number of entries in etcd."""
SHORT_HASH_CHARACTERS: Final = 12
"""Enough to tell versions of an object apart by eye, as Git and ReplicaSets do. The transcript has
the whole hash."""
SHORT_HASH: Final = r"^[0-9a-f]*$"

NEXT: Final = {phase: after for phase, after in TRANSITIONS.items() if after}
HOLDER: Final = r"^[A-Za-z0-9]([-A-Za-z0-9._:/@]*[A-Za-z0-9])?$"


def phases_in_cel(phases: Iterable[Phase]) -> str:
    """Return a list of phases for a CEL rule."""
    return f"[{', '.join(repr(phase.value) for phase in phases)}]"


def _in_words(phases: tuple[Phase, ...], last: str) -> str:
    return f"{', '.join(phases[:-1])} {last} {phases[-1]}"


_CLAIMED: Final = "oldSelf.phase == 'Pending' && self.phase == 'Running'"
_RELEASED: Final = "oldSelf.phase == 'Running' && self.phase in ['Pending', 'Waiting']"
_STILL_WAITING: Final = "oldSelf.phase == 'Waiting' && self.phase == 'Waiting'"


def _claimed(before: "TaskStatus", after: "TaskStatus") -> bool:
    return (before.phase, after.phase) == (Phase.PENDING, Phase.RUNNING)


def _released(before: "TaskStatus", after: "TaskStatus") -> bool:
    released = {(Phase.RUNNING, Phase.PENDING), (Phase.RUNNING, Phase.WAITING)}
    return (before.phase, after.phase) in released


class TaskUsage(Schema):
    """TaskUsage counts the calls of Models and tools of all attempts."""

    input_tokens: Annotated[int, Field(ge=0), INT64] = 0
    """Number of tokens that were sent to Models. Defaults to 0."""
    output_tokens: Annotated[int, Field(ge=0), INT64] = 0
    """Number of tokens that Models answered with. Defaults to 0."""
    cached_input_tokens: Annotated[int, Field(ge=0), INT64] = 0
    """Number of input tokens that providers had in their caches. They are part of inputTokens.
    Defaults to 0."""
    model_requests: Annotated[int, Field(ge=0), INT64] = 0
    """Number of requests to Models, failed ones included. Defaults to 0."""
    tool_calls: Annotated[int, Field(ge=0), INT64] = 0
    """Number of calls of tools, failed ones included. Defaults to 0."""
    cost_usd: Annotated[Money, Field(examples=["0.012500"])] | None = Field(
        default=None, alias="costUSD"
    )
    """Cost of the calls in US dollars, a string in decimal notation. Unset if no call has a known
    price."""


class RanObject(Schema):
    """RanObject names one object, and its version, that a run used."""

    kind: Literal["Team", "Bot", "Ghost", "Skill", "Model", "Shell"]
    """Kind of the object."""
    namespace: NamespaceName
    """Namespace of the object, at most 63 characters."""
    name: ResourceName
    """Name of the object, at most 253 characters."""
    generation: Generation
    """The metadata.generation of the object that was used."""
    hash: Annotated[
        str,
        Field(
            min_length=SHORT_HASH_CHARACTERS,
            max_length=SHORT_HASH_CHARACTERS,
            pattern=SHORT_HASH,
            examples=["9f86d081884c"],
        ),
    ]
    """First 12 hexadecimal digits of the SHA-256 hash of the object's spec as sorted JSON. The
    transcript has the whole hash."""


class Claim(Schema):
    """Claim is the lease under which one runner works on the Task."""

    holder: Annotated[str, Field(min_length=1, max_length=253, pattern=HOLDER)]
    """Name of the runner that has claimed the Task, unique among runners, at most 253
    characters."""
    lease_seconds: Annotated[int, Field(ge=LEASE_MIN_S, le=LEASE_MAX_S), INT32]
    """Duration of the lease in seconds after each renewal, 5 to 3,600."""
    renewed_at: Timestamp
    """Time of the last renewal by the holder's clock, in RFC 3339 form. Each new value renews the
    lease. The operator measures the lease by its own clock, from the moment when it observes the
    value."""


class TaskStatus(Status):
    """TaskStatus is the observed state of the work and of the references."""

    conditions: Conditions = pending_conditions(
        ConditionType.RESOLVED_REFS, ConditionType.READY, ConditionType.ACCEPTED
    )
    """Conditions of the Task. ResolvedRefs is True if every reference can be used, Accepted if the
    work is to be done, Ready if a runner may claim the Task. Complete or Failed is True at the
    end."""
    phase: Literal["Pending", "Running", "Waiting", "Completed", "Failed", "Cancelled"] = "Pending"
    """Phase of the work. A Waiting Task waits for answers of people. Completed, Failed and
    Cancelled are final. Defaults to Pending."""
    claim: Claim | None = None
    """Claim of the runner that works on the Task. Set while the Task is Running."""
    attempts: Annotated[int, Field(ge=0), INT32] = 0
    """Number of times that the Task has been claimed. A runner can pass it to other systems, so
    that they can distinguish the attempts. Defaults to 0."""
    releases: Annotated[int, Field(ge=0), INT32] = 0
    """Number of claims that a runner gave back on purpose, for example because it was stopped, or
    because the work waits for an answer. They don't count towards the limit of attempts. Defaults
    to 0."""
    start_time: Timestamp | None = None
    """Start time of the current or last attempt, in RFC 3339 form."""
    waiting_for: Questions | None = None
    """Questions to people, 1 to 64. The work goes on once spec.answers has an answer to each. Set
    while the Task is Waiting. The messages and arguments of all questions together have at most
    49,152 characters."""
    waiting_since: Timestamp | None = None
    """Time when the Task became Waiting, in RFC 3339 form. spec.waitTimeoutSeconds starts then. Set
    while the Task is Waiting."""
    completion_time: Timestamp | None = None
    """Time when the Task became Completed, Failed or Cancelled, in RFC 3339 form."""
    result: Annotated[str, Field(max_length=RESULT_MAX_CHARACTERS)] | None = None
    """Result of the work, at most 65,536 characters. Only for a Completed or Failed Task."""
    message: Annotated[str, Field(max_length=4096)] | None = None
    """Human-readable progress of the work, or the reason of its failure, at most 4,096
    characters."""
    usage: TaskUsage | None = None
    """Tokens and cost of the model calls, and the number of calls of tools, so far, of all attempts
    together. The calls of an attempt whose runner died may be missing."""
    ran: Annotated[list[RanObject], Field(max_length=RAN_MAX_OBJECTS), ATOMIC] | None = None
    """Objects that the current or last attempt used: Team, Bots, Ghosts, Skills, Models and Shells,
    at most 256. A Model that others fall back to is listed once it was called. Further objects are
    in the transcript alone. Set by the runner."""

    rules = (
        Rule(
            cel="self.phase in ['Running', 'Completed'] ? has(self.startTime)"
            " : !(self.phase in ['Pending', 'Waiting'] && has(self.startTime))",
            message="startTime is required when Running or Completed, and not allowed when Pending"
            " or Waiting",
            check=lambda self: (
                self.start_time is not None
                if self.phase in {Phase.RUNNING, Phase.COMPLETED}
                else self.phase not in {Phase.PENDING, Phase.WAITING} or self.start_time is None
            ),
            field_path=".startTime",
        ),
        Rule(
            cel=f"(self.phase in {phases_in_cel(FINAL)}) == has(self.completionTime)",
            message=f"completionTime is required when {_in_words(FINAL, 'or')},"
            " and not allowed before",
            check=lambda self: (self.phase in FINAL) == (self.completion_time is not None),
            field_path=".completionTime",
        ),
        Rule(
            cel="(self.phase == 'Running') == has(self.claim)",
            message="claim is required while Running, and not allowed otherwise",
            check=lambda self: (self.phase == Phase.RUNNING) == (self.claim is not None),
            field_path=".claim",
        ),
        Rule(
            cel="(self.phase == 'Waiting') == has(self.waitingFor)"
            " && (self.phase == 'Waiting') == has(self.waitingSince)",
            message="waitingFor and waitingSince are required while Waiting, and not allowed"
            " otherwise",
            check=lambda self: (
                {self.phase == Phase.WAITING}
                == {self.waiting_for is not None, self.waiting_since is not None}
            ),
            field_path=".waitingFor",
        ),
        Rule(
            cel="!has(self.result) || self.phase in ['Completed', 'Failed']",
            message="result is allowed only when Completed or Failed",
            check=lambda self: self.result is None or self.phase in {Phase.COMPLETED, Phase.FAILED},
            field_path=".result",
        ),
        Rule(
            cel="self.releases <= self.attempts",
            message="releases can't exceed attempts",
            check=lambda self: self.releases <= self.attempts,
            field_path=".releases",
        ),
    )
    transitions = (
        Transition(
            cel="self.phase == oldSelf.phase"
            + "".join(
                f" || (oldSelf.phase == '{phase}' && self.phase in {phases_in_cel(after)})"
                for phase, after in NEXT.items()
            ),
            message="; ".join(
                f"a {phase} Task can become {_in_words(after, 'or')}"
                for phase, after in NEXT.items()
            )
            + f"; {_in_words(FINAL, 'and')} are final",
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
            message="a Running Task keeps its holder; another runner can claim it after the lease"
            " has expired and the Task is Pending again",
            check=lambda before, after: (
                not (before.claim and after.claim) or before.claim.holder == after.claim.holder
            ),
            field_path=".claim",
        ),
        # By more than one when a Task is restored from the trash with its former attempts.
        Transition(
            cel=f"({_CLAIMED}) ? self.attempts > oldSelf.attempts"
            " : self.attempts == oldSelf.attempts",
            message="attempts increases with each claim, and can't be changed otherwise",
            check=lambda before, after: (
                after.attempts > before.attempts
                if _claimed(before, after)
                else after.attempts == before.attempts
            ),
            field_path=".attempts",
        ),
        # By more than one when a Task is restored from the trash, as with attempts.
        Transition(
            cel=f"({_RELEASED}) ? self.releases >= oldSelf.releases"
            " : self.releases == oldSelf.releases",
            message="releases increases only when a Running Task becomes Pending or Waiting, and"
            " can't be changed otherwise",
            check=lambda before, after: (
                after.releases >= before.releases
                if _released(before, after)
                else after.releases == before.releases
            ),
            field_path=".releases",
        ),
        Transition(
            cel="self.phase in ['Pending', 'Waiting']"
            f" || ({_CLAIMED}) || ({unchanged('startTime')})",
            message="startTime is set when the Task is claimed, and can't be changed",
            check=lambda before, after: (
                after.phase in {Phase.PENDING, Phase.WAITING}
                or _claimed(before, after)
                or after.start_time == before.start_time
            ),
            field_path=".startTime",
        ),
        Transition(
            cel=f"!({_STILL_WAITING}) || ({unchanged('waitingFor', 'waitingSince')})",
            message="waitingFor and waitingSince can't be changed while the Task is Waiting",
            check=lambda before, after: (
                {before.phase, after.phase} != {Phase.WAITING}
                or (before.waiting_for, before.waiting_since)
                == (after.waiting_for, after.waiting_since)
            ),
            field_path=".waitingFor",
        ),
        Transition(
            cel=f"!(oldSelf.phase in {phases_in_cel(FINAL)})"
            f" || ({unchanged('completionTime', 'result', 'message', 'usage', 'ran')})",
            message="completionTime, result, message, usage and ran can't be changed after the Task"
            " has ended",
            check=lambda before, after: (
                before.phase not in FINAL
                or (before.completion_time, before.result, before.message, before.usage, before.ran)
                == (after.completion_time, after.result, after.message, after.usage, after.ran)
            ),
        ),
    )
