"""One run at a time, across programs: locks that the kernel drops when their holder dies.

filelock would need the same two attempts, for the message, and would poll where the kernel waits.
"""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from devcluster.progress import say


@contextlib.contextmanager
def locked(path: Path, waiting_for: str) -> Iterator[None]:
    """Hold the lock file ``path``; while another run has it, say so and wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another run: {waiting_for}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
