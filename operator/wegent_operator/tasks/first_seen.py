"""Times at which the operator first saw claims and requests to cancel, on its own clock.

A lease is counted from that time, and not from the time in the claim. So a runner whose clock
is wrong neither loses its claim nor keeps it for ever. Kubernetes' leader election and node
leases do the same. The times are kept in memory: after a restart of the operator a lease is
counted from the start of the operator. It may end late, but never early.
"""

from collections.abc import Hashable
from datetime import datetime

from wegent_crds.references import ObjectKey
from wegent_operator.state.tasks import TaskProgress
from wegent_operator.tasks.deadlines import Seen


class Sightings:
    """First sights of the current claim and request to cancel of each Task."""

    def __init__(self) -> None:
        self._first: dict[ObjectKey, dict[Hashable, datetime]] = {}

    def __len__(self) -> int:
        return len(self._first)

    def of(self, key: ObjectKey, uid: str, task: TaskProgress, now: datetime) -> Seen:
        """Return the first sights of the Task's current claim and request to cancel."""
        known = self._first.get(key, {})
        claim = (uid, task.attempts, task.claim)
        cancel = (uid, task.cancel)
        marks = ([claim] if task.claim else []) + ([cancel] if task.cancel else [])
        current: dict[Hashable, datetime] = {mark: known.get(mark, now) for mark in marks}
        if current:
            self._first[key] = current
        else:
            self._first.pop(key, None)
        return Seen(claim=current.get(claim, now), cancel=current.get(cancel, now))

    def forget(self, key: ObjectKey) -> None:
        """Forget a Task."""
        self._first.pop(key, None)

    def forget_all(self) -> None:
        """Forget all Tasks: another operator leads, and this one doesn't learn of deletions."""
        self._first.clear()
