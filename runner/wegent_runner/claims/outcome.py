"""The end of a run, as it is written into the Task's status."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from wegent_crds.kinds.task_status import RESULT_MAX_CHARACTERS
from wegent_crds.phases import Phase

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
    """The final phase of a run with its result.

    Attributes:
        phase: Completed, Failed or Cancelled.
        result: The answer. A longer one than the status may hold is cut, and says so.
        message: The reason of a failure, in words for the user. It never holds a key.
        usage: ``status.usage``.
        reason: A short CamelCase reason of a failure, for metrics.
        notices: Remarks on the run, for its transcript.
    """

    phase: Phase
    result: str | None = None
    message: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    notices: tuple[str, ...] = ()

    def status(self) -> dict[str, Any]:
        """Return the fields of the Task's status for this outcome, without times and claim."""
        fields: dict[str, Any] = {"phase": self.phase.value, "claim": None}
        if self.result and self.phase != Phase.CANCELLED:
            fields["result"] = cut(self.result, RESULT_MAX_CHARACTERS, CUT)
        if self.message:
            fields["message"] = cut(self.message, MESSAGE_MAX_CHARACTERS)
        if self.usage:
            fields["usage"] = dict(self.usage)
        return fields


def cut(text: str, limit: int, mark: str = "…") -> str:
    """Return ``text``, shortened to ``limit`` characters with ``mark`` at its end if need be."""
    return text if len(text) <= limit else text[: limit - len(mark)] + mark
