"""Times at which the operator first saw claims, starts, waits and cancellations, by its own clock.

A lease is counted from that time, and not from the time in the claim. So a runner whose clock
is wrong neither loses its claim nor keeps it for ever. Kubernetes' leader election and node
leases do the same. The operator's own clock is steady: it follows the monotonic clock, so that
no lease expires because somebody sets the time of the operator's machine. The times are kept in
memory: after a restart of the operator a lease is counted from the start of the operator. It may
end late, but never early.
"""

import time
from collections.abc import Callable, Hashable
from datetime import datetime, timedelta

from wegent_crds.phases import Phase
from wegent_crds.references import ObjectKey
from wegent_operator.state.tasks import TaskProgress
from wegent_operator.tasks.deadlines import Seen


class SteadyClock:
    """The time at which the program started, and the time that has passed since then.

    Args:
        clock: returns the current time.
        monotonic: returns seconds, which never jump.
    """

    def __init__(
        self, clock: Callable[[], datetime], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotonic = monotonic
        self._zero = clock() - timedelta(seconds=monotonic())

    def __call__(self) -> datetime:
        """Return the time; it is unlike the current time once somebody has set that."""
        return self._zero + timedelta(seconds=self._monotonic())


class Sightings:
    """First sights of each Task's current claim, start, wait and request to cancel."""

    def __init__(self) -> None:
        self._first: dict[ObjectKey, dict[Hashable, datetime]] = {}

    def __len__(self) -> int:
        return len(self._first)

    def of(self, key: ObjectKey, uid: str, task: TaskProgress, now: datetime) -> Seen:
        """Return the first sights of the Task's current claim, start, wait and request to cancel.

        The start of an attempt or wait that was not seen to begin is the stored one, as it may
        have begun long before this operator. But a wait begins again for a Task that is restored
        from the trash.
        """
        known = self._first.get(key, {})
        claim = (uid, task.attempts, task.claim)
        cancel = (uid, task.cancel)
        pending, start = (uid, "pending"), (uid, "start", task.attempts)
        running, wait = (uid, "running"), (uid, "wait", task.attempts)
        current: dict[Hashable, datetime] = {}
        if task.claim:
            current[claim] = known.get(claim, now)
        if task.cancel:
            current[cancel] = known.get(cancel, now)
        if task.phase is Phase.PENDING:
            current[pending] = known.get(pending, now)
        elif task.started_at is not None and task.phase is Phase.RUNNING:
            began = now if pending in known else min(now, task.started_at)
            current[start] = known.get(start, began)
            current[running] = known.get(running, now)
        elif task.wait is not None:
            stored = max(filter(None, (task.wait.since, task.created_at)), default=now)
            began = now if {pending, running} & known.keys() else min(now, stored)
            current[wait] = known.get(wait, began)
        if current:
            self._first[key] = current
        else:
            self._first.pop(key, None)
        return Seen(
            claim=current.get(claim, now),
            cancel=current.get(cancel, now),
            start=current.get(start, now),
            wait=current.get(wait, now),
        )

    def forget(self, key: ObjectKey) -> None:
        """Forget a Task."""
        self._first.pop(key, None)

    def forget_all(self) -> None:
        """Forget all Tasks: another operator leads, and this one doesn't learn of deletions."""
        self._first.clear()
