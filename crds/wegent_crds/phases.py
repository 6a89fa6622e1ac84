"""The life of a Task: its phases, and which may follow which.

The one place that says so. The CRD's transition rules (``task.py``), the operator and
the trash's way back are all made from ``TRANSITIONS``.

::

               ┌──────────── the claim's lease ran out ───────────┐
               ▼                                                  │
            Pending ───── claimed by a runner ────▶ Running ──────┤ renewed: Running again
               │                                       │
               ├──▶ Failed, Cancelled                  └──▶ Completed, Failed, Cancelled
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """Where the work on a Task stands."""

    PENDING = "Pending"
    """Nobody works on it; who runs Tasks may claim it once it is Ready."""
    RUNNING = "Running"
    """Somebody has claimed it, and renews the claim for as long as the work goes on."""
    COMPLETED = "Completed"
    """The work is done."""
    FAILED = "Failed"
    """The work came to nothing, or took too long."""
    CANCELLED = "Cancelled"
    """The work was stopped, or never begun, because somebody asked for that."""


TRANSITIONS: Final[Mapping[Phase, tuple[Phase, ...]]] = {
    Phase.PENDING: (Phase.RUNNING, Phase.FAILED, Phase.CANCELLED),
    Phase.RUNNING: (Phase.PENDING, Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED),
    Phase.COMPLETED: (),
    Phase.FAILED: (),
    Phase.CANCELLED: (),
}
"""What each phase may become. To stay as it is, is always allowed."""

FINAL: Final = tuple(phase for phase, after in TRANSITIONS.items() if not after)
"""The phases in which nothing changes any more."""


def may_become(before: str, after: str) -> bool:
    """Tell whether a Task may go from one phase to the other in one write."""
    return before == after or after in TRANSITIONS[Phase(before)]
