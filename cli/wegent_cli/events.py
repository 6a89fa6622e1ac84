"""A run's events, read in a thread, so that the main thread notices Ctrl-C and typed lines."""

import queue
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final

_END: Final = object()


class Background:
    """Reads an iterator of events in a thread.

    Args:
        events: begins to read, in the thread. Its argument puts another item between the events.

    The thread ends with the iterator, or with the process.
    """

    def __init__(self, events: Callable[[Callable[[Any], None]], Iterable[Any]]) -> None:
        self._queue: queue.Queue[Any] = queue.Queue()
        self._events = events
        threading.Thread(target=self._read, daemon=True, name="events").start()

    def _read(self) -> None:
        try:
            for event in self._events(self._queue.put):
                self._queue.put(event)
        except Exception as error:  # noqa: BLE001 - the main thread raises it
            self._queue.put(error)
        else:
            self._queue.put(_END)

    def next(self, within_s: float) -> Any:
        """Return the next event; None if none came in time.

        Raises:
            StopIteration: there are no more.
            Exception: the iterator raised it.
        """
        try:
            found = self._queue.get(timeout=within_s)
        except queue.Empty:
            return None
        if found is _END:
            raise StopIteration
        if isinstance(found, Exception):
            raise found
        return found
