"""Telling a person how a long step goes, on a terminal and in a CI log.

rich can't do this: ``devstack.environment`` shows progress before any package is installed.
"""

import sys
import threading
import time
from typing import Final, Self, TextIO

TERMINAL_INTERVAL_S: Final = 0.2
LOG_INTERVAL_S: Final = 5.0
"""For streams whose lines can't be redrawn."""


def say(text: str, stream: TextIO | None = None) -> None:
    """Print one line for the person at the terminal; results go to stdout, this does not."""
    print(text, file=stream or sys.stderr, flush=True)


class Progress:
    """One long step, as a context manager: a line that is redrawn, or one every few seconds.

    A thread of its own writes the lines, so that a step that reports nothing is not silent.

    Args:
        label: what is done.
        stream: stderr if left out.
    """

    def __init__(self, label: str, stream: TextIO | None = None) -> None:
        self._label = label
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._started = time.monotonic()
        self._detail = ""
        self._ended = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        self._show("")
        self._ticker.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._ended.set()
        self._ticker.join()
        self._show(f"{'done' if kind is None else 'stopped'} after {self._elapsed()}")
        if self._terminal:
            self._stream.write("\n")
            self._stream.flush()

    def update(self, detail: str) -> None:
        """Note how far it is, for the next line."""
        self._detail = detail

    def _tick(self) -> None:
        while not self._ended.wait(TERMINAL_INTERVAL_S if self._terminal else LOG_INTERVAL_S):
            self._show(", ".join(filter(None, (self._detail, self._elapsed()))))

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._started:.0f} s"

    def _show(self, detail: str) -> None:
        line = f"{self._label}: {detail}" if detail else f"{self._label} ..."
        # \x1b[K clears what a longer line before left.
        self._stream.write(f"\r{line}\x1b[K" if self._terminal else f"{line}\n")
        self._stream.flush()
