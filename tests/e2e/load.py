"""A steady load on the API, with a record of each failure."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.e2e.rest import Rest


@dataclass(frozen=True, slots=True)
class Failure:
    """A request with a wrong answer or none."""

    after_s: float
    """Seconds since the load's start."""
    what: str
    """The status and body, or how the connection failed."""


@dataclass(slots=True)
class Account:
    """The results of the requests so far."""

    answered: int = 0
    failures: list[Failure] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = Counter(failure.what for failure in self.failures)
        spelled = "".join(f"\n  {count} x {what}" for what, count in kinds.most_common(10))
        return f"{self.answered} answered, {len(self.failures)} failed{spelled}"


class Load:
    """A context manager in which several clients each send requests one after another.

    Each request has a connection of its own, so that it goes to any of the Service's
    endpoints and a lost endpoint is met by all.

    Args:
        rest: the API.
        request: the action of each client; an exception is a failure.
        clients: the number of clients at once.
        pause_s: between two requests of a client.
    """

    def __init__(
        self,
        rest: Rest,
        request: Callable[[Rest], object] = lambda rest: rest.call("GET", "auth/me").expect(200),
        *,
        clients: int = 8,
        pause_s: float = 0.02,
    ) -> None:
        self.account = Account()
        self._rest, self._request, self._pause_s = rest, request, pause_s
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._clients = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]
        self._begun = 0.0

    def __enter__(self) -> Self:
        self._begun = time.monotonic()
        for client in self._clients:
            client.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ending.set()
        for client in self._clients:
            client.join()

    def answered(self, count: int, within_s: float) -> None:
        """Wait until ``count`` more requests have been answered."""
        wanted, deadline = self.account.answered + count, time.monotonic() + within_s
        while self.account.answered < wanted:
            assert time.monotonic() < deadline, f"not within {within_s:g} s: {self.account}"
            time.sleep(0.05)

    def failures_after(self, moment_s: float) -> Sequence[Failure]:
        """Return the failures later than ``moment_s`` seconds after the start."""
        return [failure for failure in self.account.failures if failure.after_s > moment_s]

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._begun

    def _run(self) -> None:
        while not self._ending.wait(self._pause_s):
            sent = self.elapsed_s
            try:
                self._request(self._rest)
            except Exception as error:  # noqa: BLE001 - each exception counts
                what = f"{type(error).__name__}: {str(error)[:200]}"
                with self._lock:
                    self.account.failures.append(Failure(sent, what))
            else:
                with self._lock:
                    self.account.answered += 1
