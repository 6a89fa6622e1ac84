"""The end of a run, as it is written into the Task's status."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from wegent_crds.kinds.task_status import RESULT_MAX_CHARACTERS
from wegent_crds.phases import Phase
from wegent_runner.claims.questions import Question, questions_status, summary, too_many
from wegent_runner.claims.text import cut

MESSAGE_MAX_CHARACTERS: Final = 4096
CUT: Final = "\n[cut: the whole answer is in the transcript]"


class GiveBack(Exception):  # noqa: N818 - names the verdict
    """The run can't go on here now, for no fault of the Task's: another claim may.

    Attributes:
        reason: A short CamelCase reason, for metrics.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a run: its final phase with the result, or the questions that it waits for.

    Attributes:
        phase: Completed, Failed, Cancelled or Waiting.
        result: The answer. A longer one than the status may hold is cut, and says so.
        message: The reason of a failure, in words for the user. It never holds a key.
        usage: ``status.usage``.
        reason: A short CamelCase reason of a failure, for metrics.
        notices: Remarks on the run, for its transcript.
        waiting_for: The questions for whose answers the Task waits, 1 to 64; empty unless Waiting.
    """

    phase: Phase
    result: str | None = None
    message: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    notices: tuple[str, ...] = ()
    waiting_for: tuple[Question, ...] = ()

    @classmethod
    def waiting(cls, questions: tuple[Question, ...]) -> "Outcome":
        """Return the outcome of a run that goes on once people have answered."""
        return cls(Phase.WAITING, message=summary(questions), waiting_for=questions)

    def status(self) -> dict[str, Any]:
        """Return the fields of the Task's status for this outcome, without times and claim."""
        fields: dict[str, Any] = {"phase": self.phase.value, "claim": None}
        if self.phase is Phase.WAITING:
            fields |= {"waitingFor": questions_status(self.waiting_for), "startTime": None}
        if self.result and self.phase in {Phase.COMPLETED, Phase.FAILED}:
            fields["result"] = cut(self.result, RESULT_MAX_CHARACTERS, CUT)
        if self.message:
            fields["message"] = cut(self.message, MESSAGE_MAX_CHARACTERS)
        if self.usage:
            fields["usage"] = dict(self.usage)
        return fields


def possible(outcome: Outcome, task: Mapping[str, Any]) -> Outcome:
    """Return the outcome, or a failure if the Task can't hold the answers that it waits for."""
    if (told := too_many(task, outcome.waiting_for)) is None:
        return outcome
    return Outcome(Phase.FAILED, message=told, reason="TooManyQuestions", usage=outcome.usage)
