"""The logs of the runs that this runner works on, by the UID of the Task."""

from wegent_runner.runs.log import RunLog


class Hub:
    """The running logs. A log leaves when its run has ended and is stored."""

    def __init__(self) -> None:
        self._logs: dict[str, RunLog] = {}

    def __len__(self) -> int:
        return len(self._logs)

    def get(self, uid: str) -> RunLog | None:
        """Return the log of a Task's run, or None if it doesn't run here."""
        return self._logs.get(uid)

    def add(self, uid: str, log: RunLog) -> None:
        """Add the log of a run that begins. It ends the streams of a former attempt's log."""
        if (former := self._logs.get(uid)) is not None:
            former.abandon()
        self._logs[uid] = log

    def remove(self, uid: str, log: RunLog) -> None:
        """Remove a log, unless a later attempt has replaced it. Its readers may go on reading."""
        if self._logs.get(uid) is log:
            del self._logs[uid]
