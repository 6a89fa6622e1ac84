"""When the operator first saw a claim, or a wish to cancel: by its own clock, in memory.

A lease is counted from there, not from the time that the claim names: a runner whose
clock is wrong neither loses its claim nor keeps it for ever (as Kubernetes' own leader
election and node leases do it). After a restart of the operator everything is seen
for the first time: a lease is then counted from the start, which is late at worst, never early.
"""

from collections.abc import Hashable
from datetime import datetime

from wegent_crds.references import ObjectKey
from wegent_operator.state.tasks import TaskProgress
from wegent_operator.tasks.deadlines import Seen


class Sightings:
    """First sightings of what Tasks are now; what they no longer are is forgotten."""

    def __init__(self) -> None:
        self._first: dict[ObjectKey, dict[Hashable, datetime]] = {}

    def __len__(self) -> int:
        return len(self._first)

    def of(self, key: ObjectKey, uid: str, task: TaskProgress, now: datetime) -> Seen:
        """Return since when the Task's claim and its wish to cancel are known as they are."""
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
        """Forget every Task: another operator looks after them, and nobody tells when one goes."""
        self._first.clear()
