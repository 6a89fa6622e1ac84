"""The phases of a Task and the transitions between them.

``TRANSITIONS`` is the only source: the CRD's transition rules (``kinds/task_status.py``), the
operator and the restoration from the trash follow from it.

::

               ┌──────────── the claim's lease expired ───────────┐
               ▼                                                  │
            Pending ───── claimed by a runner ────▶ Running ──────┤ renewed: Running again
               │ ▲                                     │
               │ │                                     ├──▶ Completed, Failed, Cancelled
               │ │                                     ▼
               │ └─────────── answered ─────────── Waiting ───▶ Failed, Cancelled
               └──▶ Failed, Cancelled
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """The phase of the work on a Task."""

    PENDING = "Pending"
    """The work has not begun. A runner may claim the Task as soon as it is Ready."""
    RUNNING = "Running"
    """A runner has claimed the Task. It renews the claim until the work ends."""
    WAITING = "Waiting"
    """The work waits for answers of people. No runner has a claim. Once all questions are answered,
    the Task is Pending again."""
    COMPLETED = "Completed"
    """The work is done."""
    FAILED = "Failed"
    """The work failed or exceeded its timeout."""
    CANCELLED = "Cancelled"
    """The work was stopped, or not begun, because a user cancelled the Task."""


TRANSITIONS: Final[Mapping[Phase, tuple[Phase, ...]]] = {
    Phase.PENDING: (Phase.RUNNING, Phase.FAILED, Phase.CANCELLED),
    Phase.RUNNING: (
        Phase.PENDING,
        Phase.WAITING,
        Phase.COMPLETED,
        Phase.FAILED,
        Phase.CANCELLED,
    ),
    Phase.WAITING: (Phase.PENDING, Phase.FAILED, Phase.CANCELLED),
    Phase.COMPLETED: (),
    Phase.FAILED: (),
    Phase.CANCELLED: (),
}
"""Allowed next phases of each phase. An update that keeps the phase is always allowed."""

FINAL: Final = tuple(phase for phase, after in TRANSITIONS.items() if not after)
"""The phases without a next phase."""


def may_become(before: str, after: str) -> bool:
    """Return True if one update may change a Task's phase from ``before`` to ``after``."""
    return before == after or after in TRANSITIONS[Phase(before)]
