"""The result of a decision: the conditions that an object should have.

Each kind's function ``verdict`` lives beside its controller. It collects problems, and
``verdict_of`` makes conditions of them.
"""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Final

from wegent_crds.conditions import ConditionType, Reason

MAX_PROBLEMS: Final = 8
"""Problems that one message spells out; a Team of 64 Bots could have as many. With names of full
length and the longest chain, Task to Skill, they take some 18 KiB."""
STALLING: Final = frozenset(
    {
        Reason.WRONG_NAMESPACE,
        Reason.NAME_RESERVED,
        Reason.DUPLICATE_REF,
        Reason.OUTPUT_SCHEMA_INVALID,
    }
)
"""Reasons that no change of another object can end. Waiting doesn't help."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The content of one condition."""

    type: ConditionType
    status: bool
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The content of all conditions of one object."""

    resolved_refs: Outcome
    ready: Outcome
    accepted: Outcome | None = None
    """Only for Tasks."""
    last_admin: Outcome | None = None
    """Only for Accounts of admins."""
    served: Outcome | None = None
    """Only for Bots, Teams and Tasks whose Shells are known."""
    tools_served: Outcome | None = None
    """Only for Ghosts and Skills with MCP servers."""
    model_bound: Outcome | None = None
    """Only for Bots and Teams without a Model."""
    keys_readable: Outcome | None = None
    """Only for Models, Ghosts and Skills with a key that the runner may not read."""

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The conditions in the order in which they are written."""
        shared = (self.ready, self.resolved_refs)
        further = (
            self.accepted,
            self.last_admin,
            self.served,
            self.model_bound,
            self.tools_served,
            self.keys_readable,
            self.stalled,
        )
        return (*shared, *filter(None, further))

    @property
    def stalled(self) -> Outcome | None:
        """The reason for which waiting doesn't help; None if Ready may still become True."""
        if self.ready.status or self.ready.reason not in STALLING:
            return None
        return replace(self.ready, type=ConditionType.STALLED, status=True)


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason for which an object isn't ready."""

    reason: Reason
    message: str
    """The fault and its remedy, without the field."""
    places: tuple[str, ...] = ()
    """The fields that lead to the fault, from the faulty one to the evaluated object's own."""
    root: Hashable = None
    """Identity of the root cause: one missing Ghost is the same cause through any Bot."""

    def through(self, field: str, referent: str, reason: Reason) -> "Problem":
        """Return the problem that this one is for an object that refers to the faulty object.

        Args:
            field: The referring object's field.
            referent: The title of the object that has this problem.
            reason: The referring object's reason.
        """
        *inner, own = self.places
        return replace(self, reason=reason, places=(*inner, f"{own} of {referent}", field))

    @property
    def text(self) -> str:
        """The message with its fields; the root cause comes first."""
        if not self.places:
            return self.message
        root, *others = self.places
        if not others:
            return f"{root}: {self.message}"
        return f"{self.message} (in {root}, through {', '.join(others)})"


def verdict_of(unresolved: list[Problem], problems: list[Problem]) -> Verdict:
    """Return the verdict for these problems; without problems it is Ready."""
    return Verdict(
        outcome_of(ConditionType.RESOLVED_REFS, Reason.RESOLVED_REFS, unresolved),
        outcome_of(ConditionType.READY, Reason.READY, problems),
    )


def outcome_of(type_: ConditionType, good: Reason, problems: list[Problem]) -> Outcome:
    """Return the condition for these problems; without problems it is True, with ``good``."""
    if not problems:
        return Outcome(type_, status=True, reason=good, message="")
    shown = "; ".join(problem.text for problem in problems[:MAX_PROBLEMS])
    if len(problems) > MAX_PROBLEMS:
        shown += f"; and {len(problems) - MAX_PROBLEMS} more"
    return Outcome(type_, status=False, reason=problems[0].reason, message=shown)
