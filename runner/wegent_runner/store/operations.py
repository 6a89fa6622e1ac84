"""Operations on a database, each of which goes on to its end and reports its failures.

SQLite runs in threads. A statement whose caller is gone is not closed, and keeps the lock of its
transaction until Python collects its remains: in a quiet runner, for minutes. So an operation
whose caller is cancelled, or has waited too long, goes on without it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from wegent_runner.store.engine import READING, TIMEOUT_S
from wegent_runner.store.failures import StoreError, as_store_errors, no_answer

GRACE_S: Final = 2.0
"""Seconds by which a whole operation may exceed the database's own timeouts, which come first."""

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S", bound="DatabaseOperations")


def to_its_end(
    method: Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """Let a method go on to its end if its caller is cancelled, or has waited too long."""

    @wraps(method)
    async def run(store: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await store._finish(method(store, *args, **kwargs))  # noqa: SLF001 - its own class

    return run


class DatabaseOperations:
    """The base of the stores in one database.

    Args:
        engine: the database.
        timeout_s: Seconds after which an operation counts as failed.
        failed: is called with each failure of the database.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        timeout_s: float = TIMEOUT_S,
        failed: Callable[[StoreError], None] = lambda _: None,
    ) -> None:
        self._engine = engine
        self._in_threads = engine.dialect.name == "sqlite"
        self._dialect = sqlite if self._in_threads else postgresql
        self._reader = engine.execution_options(**{READING: True})
        self._limit_s = timeout_s + GRACE_S
        self._failed = failed
        self._working: set[asyncio.Task[Any]] = set()

    async def finished(self) -> None:
        """Wait for the operations whose callers wait no more."""
        await asyncio.gather(*self._working, return_exceptions=True)

    @asynccontextmanager
    async def _write(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection with a transaction."""
        async with self._watched(), self._engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def _read(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection for reads."""
        async with self._watched(), self._reader.connect() as connection:
            yield connection

    @asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        """Report failures. An operation in a thread has only the database's own time limits."""
        try:
            async with as_store_errors(None if self._in_threads else self._limit_s):
                yield
        except StoreError as error:
            if error.lost:
                self._failed(error)
            raise

    async def _finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Let an operation go on to its end, even if its caller doesn't wait for it.

        Raises:
            StoreError: the database failed, or gave no answer in time.
        """
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._done)
        if not self._in_threads:  # the operation bounds its own time
            return await asyncio.shield(task)
        try:
            async with asyncio.timeout(self._limit_s):
                return await asyncio.shield(task)
        except TimeoutError as error:
            silent = no_answer(self._limit_s)
            self._failed(silent)
            raise silent from error

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._working.discard(task)
        if not task.cancelled():
            task.exception()  # nobody else asks, if the caller was cancelled
