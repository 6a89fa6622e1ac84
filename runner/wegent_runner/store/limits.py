"""Counts that hold for all runners: the calls of a Model now, and the usage of a namespace.

Each operation is one short transaction. Times are the database's own: the clocks of runners may
differ. SQLite runs in this process, and so its clock is the runner's.
"""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from zlib import crc32

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from wegent_runner.store.failures import StoreError
from wegent_runner.store.limit_tables import ModelCall, NamespaceUsage
from wegent_runner.store.operations import DatabaseOperations, to_its_end

logger = logging.getLogger(__name__)

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
DAY_US: Final = 24 * 60 * MINUTE_US
MODEL_LOCKS: Final = 0x57E6E48
"""Number space of PostgreSQL's advisory locks on Models."""
PRUNE_EVERY_S: Final = 600.0
OLD_DAYS: Final = 2
"""Days after which the usage of a namespace is forgotten. It has no effect any more."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The usage of a namespace.

    Attributes:
        tokens: Tokens that were used today.
        ends_at: Unix time in seconds at which the day ends, in UTC.
    """

    tokens: int
    ends_at: int


class LimitStore(DatabaseOperations):
    """The counts in one database.

    A caller that is cancelled doesn't wait, but its write goes on.
    """

    @property
    def is_shared(self) -> bool:
        """True if other runners may use the database."""
        return not self._in_threads

    @to_its_end
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
        async with self._write() as connection:
            if self.is_shared:  # two that count at once would both find the last place free
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

    @to_its_end
    async def renew_calls(self, calls: Sequence[str], lease_s: float) -> None:
        """Let calls count for ``lease_s`` seconds from now.

        Raises:
            StoreError: the database failed.
        """
        async with self._write() as connection:
            now = await self._now_us(connection)
            await connection.execute(
                update(ModelCall)
                .where(ModelCall.id.in_(calls))
                .values(expires_at=now + int(lease_s * SECOND_US))
            )

    @to_its_end
    async def end_call(self, call: str) -> None:
        """End a call.

        Raises:
            StoreError: the database failed. The call expires.
        """
        async with self._write() as connection:
            await connection.execute(delete(ModelCall).where(ModelCall.id == call))

    @to_its_end
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
        step = max(1, MINUTE_US // per_minute)
        async with self._write() as connection:
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

    @to_its_end
    async def usage_of(self, namespace: str) -> Usage:
        """Return the usage of a namespace today.

        Raises:
            StoreError: the database failed.
        """
        async with self._read() as connection:
            day = await self._now_us(connection) // DAY_US
            tokens = await connection.scalar(
                select(NamespaceUsage.tokens).where(
                    NamespaceUsage.namespace == namespace, NamespaceUsage.day == day
                )
            )
            return Usage(tokens or 0, (day + 1) * DAY_US // SECOND_US)

    @to_its_end
    async def add_tokens(self, namespace: str, tokens: int) -> None:
        """Add to the usage of a namespace today.

        Raises:
            StoreError: the database failed.
        """
        async with self._write() as connection:
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

    @to_its_end
    async def prune(self) -> None:
        """Delete calls that have expired, and usage that is too old to have an effect.

        Raises:
            StoreError: the database failed.
        """
        async with self._write() as connection:
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
        if not self.is_shared:
            return time.time_ns() // 1000
        clock = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
        return int(await connection.scalar(clock))


def _key(model: str) -> int:
    """Return a signed 32-bit number for a Model. Two Models with the same one only wait longer."""
    return crc32(model.encode()) - (1 << 31)
