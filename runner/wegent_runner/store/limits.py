"""Counts that hold for all runners: the calls of a Model now, and the usage of a namespace.

Each operation is one short transaction. Times are the database's own: the clocks of runners may
differ. SQLite runs in this process, and so its clock is the runner's.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from zlib import crc32

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from wegent_runner.store.engine import READING, TIMEOUT_S
from wegent_runner.store.failures import StoreError, as_store_errors, no_answer
from wegent_runner.store.limit_tables import ModelCall, NamespaceUsage

logger = logging.getLogger(__name__)

GRACE_S: Final = 2.0
"""Seconds by which an operation may exceed the database's own timeouts, which come first."""
SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
DAY_US: Final = 24 * 60 * MINUTE_US
MODEL_LOCKS: Final = 0x57E6E48
"""Number space of PostgreSQL's advisory locks on Models."""
PRUNE_EVERY_S: Final = 600.0
OLD_DAYS: Final = 2
"""Days after which the usage of a namespace is forgotten. It has no effect any more."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Usage:
    """The usage of a namespace.

    Attributes:
        tokens: Tokens that were used today.
        ends_at: Unix time in seconds at which the day ends, in UTC.
    """

    tokens: int
    ends_at: int


class LimitStore:
    """The counts in one database.

    A caller that is cancelled doesn't wait, but its write goes on: SQLite runs in threads, and a
    statement without a caller would hold its lock.

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
        self._reader = engine.execution_options(**{READING: True})
        self._failed = failed
        self._limit_s = timeout_s + GRACE_S
        self._shared = engine.dialect.name == "postgresql"
        self._dialect = postgresql if self._shared else sqlite
        self._working: set[asyncio.Task[Any]] = set()

    @property
    def is_shared(self) -> bool:
        """True if other runners may use the database."""
        return self._shared

    async def end(self) -> None:
        """Wait for the writes whose callers were cancelled."""
        await asyncio.gather(*self._working, return_exceptions=True)

    async def begin_call(self, call: str, model: str, limit: int, lease_s: float) -> bool:
        """Begin a call of a Model, if less than ``limit`` calls of it are being made.

        Args:
            call: A new id.
            model: UID of the Model.
            limit: Maximum number of calls at once.
            lease_s: Seconds after which the call no longer counts, unless it is renewed.

        Raises:
            StoreError: the database failed.
        """
        return await self._finish(self._begin_call(call, model, limit, lease_s))

    async def _begin_call(self, call: str, model: str, limit: int, lease_s: float) -> bool:
        async with self._engine.begin() as connection:
            if self._shared:  # two that count at once would both find the last place free
                lock = func.pg_advisory_xact_lock(MODEL_LOCKS, _key(model))
                await connection.execute(select(lock))
            now = await self._now_us(connection)
            others = select(func.count()).where(
                ModelCall.model == model, ModelCall.expires_at > now
            )
            if (await connection.scalar(others) or 0) >= limit:
                return False
            await connection.execute(
                self._dialect.insert(ModelCall).values(
                    id=call, model=model, expires_at=now + int(lease_s * SECOND_US)
                )
            )
            return True

    async def renew_calls(self, calls: Sequence[str], lease_s: float) -> None:
        """Let calls count for ``lease_s`` seconds from now.

        Raises:
            StoreError: the database failed.
        """
        await self._finish(self._renew_calls(calls, lease_s))

    async def _renew_calls(self, calls: Sequence[str], lease_s: float) -> None:
        async with self._engine.begin() as connection:
            now = await self._now_us(connection)
            await connection.execute(
                update(ModelCall)
                .where(ModelCall.id.in_(calls))
                .values(expires_at=now + int(lease_s * SECOND_US))
            )

    async def end_call(self, call: str) -> None:
        """End a call.

        Raises:
            StoreError: the database failed. The call expires.
        """
        await self._finish(self._end_call(call))

    async def _end_call(self, call: str) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(delete(ModelCall).where(ModelCall.id == call))

    async def reserve_request(self, namespace: str, per_minute: int, within_s: float) -> float:
        """Reserve the next request of a namespace, and return the seconds until it may be made.

        Up to ``per_minute`` requests may be made at once, and then one each time that a minute's
        share has passed. Callers get their times in the order in which they ask.

        Args:
            namespace: The namespace.
            per_minute: Maximum number of requests a minute.
            within_s: Seconds that the caller is ready to wait. If the request may be made later
                only, nothing is reserved, and the time is above this.

        Raises:
            StoreError: the database failed.
        """
        return await self._finish(self._reserve_request(namespace, per_minute, within_s))

    async def _reserve_request(self, namespace: str, per_minute: int, within_s: float) -> float:
        step = max(1, MINUTE_US // per_minute)
        async with self._engine.begin() as connection:
            now = await self._now_us(connection)
            row = await self._locked(connection, namespace, now)
            made_at = max(int(row.next_request_at), now) + step
            wait_us = max(0, made_at - now - MINUTE_US)
            if wait_us <= within_s * SECOND_US:
                await connection.execute(
                    update(NamespaceUsage)
                    .where(NamespaceUsage.namespace == namespace)
                    .values(next_request_at=made_at)
                )
            return wait_us / SECOND_US

    async def usage_of(self, namespace: str) -> Usage:
        """Return the usage of a namespace today.

        Raises:
            StoreError: the database failed.
        """
        return await self._finish(self._usage_of(namespace))

    async def _usage_of(self, namespace: str) -> Usage:
        async with self._reader.connect() as connection:
            day = await self._now_us(connection) // DAY_US
            tokens = await connection.scalar(
                select(NamespaceUsage.tokens).where(
                    NamespaceUsage.namespace == namespace, NamespaceUsage.day == day
                )
            )
            return Usage(tokens or 0, (day + 1) * DAY_US // SECOND_US)

    async def add_tokens(self, namespace: str, tokens: int) -> None:
        """Add to the usage of a namespace today.

        Raises:
            StoreError: the database failed.
        """
        await self._finish(self._add_tokens(namespace, tokens))

    async def _add_tokens(self, namespace: str, tokens: int) -> None:
        async with self._engine.begin() as connection:
            now = await self._now_us(connection)
            row = await self._locked(connection, namespace, now)
            today = now // DAY_US
            await connection.execute(
                update(NamespaceUsage)
                .where(NamespaceUsage.namespace == namespace)
                .values(day=today, tokens=tokens + (row.tokens if row.day == today else 0))
            )

    async def run(self) -> None:
        """Delete old counts every ten minutes or so until cancelled."""
        while True:
            await asyncio.sleep(PRUNE_EVERY_S * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            try:
                await self.prune()
            except StoreError as error:
                logger.warning("no old counts deleted: %s", error)

    async def prune(self) -> None:
        """Delete calls that have expired, and usage that is too old to have an effect.

        Raises:
            StoreError: the database failed.
        """
        await self._finish(self._prune())

    async def _prune(self) -> None:
        async with self._engine.begin() as connection:
            now = await self._now_us(connection)
            await connection.execute(delete(ModelCall).where(ModelCall.expires_at < now))
            await connection.execute(
                delete(NamespaceUsage).where(
                    NamespaceUsage.day < now // DAY_US - OLD_DAYS,
                    NamespaceUsage.next_request_at < now,
                )
            )

    async def _locked(self, connection: AsyncConnection, namespace: str, now: int) -> Any:
        """Return the row of a namespace, locked until the transaction ends.

        SQLite's transactions are all writers, one at a time.
        """
        await connection.execute(
            self._dialect.insert(NamespaceUsage)
            .values(namespace=namespace, next_request_at=now, day=now // DAY_US, tokens=0)
            .on_conflict_do_nothing()
        )
        found = select(NamespaceUsage.__table__).where(NamespaceUsage.namespace == namespace)
        return (await connection.execute(found.with_for_update())).one()

    async def _now_us(self, connection: AsyncConnection) -> int:
        if not self._shared:
            return time.time_ns() // 1000
        clock = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
        return int(await connection.scalar(clock))

    async def _finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Let an operation go on to its end, even if its caller doesn't wait for it.

        Raises:
            StoreError: the database failed, or gave no answer in time.
        """
        task = asyncio.create_task(self._watched(work))
        self._working.add(task)
        task.add_done_callback(self._done)
        try:
            async with asyncio.timeout(self._limit_s):
                return await asyncio.shield(task)
        except TimeoutError as error:
            silent = no_answer(self._limit_s)
            self._failed(silent)
            raise silent from error

    async def _watched(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            async with as_store_errors(None):
                return await work
        except StoreError as error:
            if error.lost:
                self._failed(error)
            raise

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._working.discard(task)
        if not task.cancelled():
            task.exception()  # nobody else asks, if the caller was cancelled


def _key(model: str) -> int:
    """Return a signed 32-bit number for a Model. Two Models with the same one only wait longer."""
    return crc32(model.encode()) - (1 << 31)
