"""Reads and writes transcripts. Each write bears its attempt, and a higher attempt fences it off.

A runner that was thought dead may still write. Its attempt is lower than its successor's by then,
and nothing of it is stored.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
)
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from wegent_runner.runs.items import Item
from wegent_runner.runs.text import storable
from wegent_runner.runs.used import AttemptRecord, UsedObject
from wegent_runner.store import definitions, housekeeping
from wegent_runner.store.engine import TIMEOUT_S
from wegent_runner.store.failures import Fenced, StoreError
from wegent_runner.store.housekeeping import now_ms
from wegent_runner.store.operations import DatabaseOperations, to_its_end
from wegent_runner.store.rows import items_of, row_of
from wegent_runner.store.tables import Item as Row
from wegent_runner.store.tables import Run
from wegent_runner.store.transcript import Conversation, Transcript

MAX_TURNS: Final = 200
"""Maximum number of earlier Tasks in a conversation."""
MAX_CONVERSATION_BYTES: Final = 2 << 20
"""Maximum size of a conversation's texts in UTF-8: about half a million tokens. Each slot holds one
conversation, and all slots together must fit into the runner's memory."""
READS_AT_ONCE: Final = 8
"""Reads at a time, about half of a pool's connections. The others are left to running Tasks."""
PROBE_CHARACTERS: Final = 65536
"""Size of the row that a probe writes: a database with less room counts as full."""


class TranscriptStore(DatabaseOperations):
    """The transcripts in one database.

    A cancelled caller doesn't wait, but its write goes on; the fence decides on it as on others.

    Args:
        engine: the database.
        timeout_s: Seconds after which a read or a write counts as failed.
        failed: is called with each failure of the database.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        timeout_s: float = TIMEOUT_S,
        failed: Callable[[StoreError], None] = lambda _: None,
    ) -> None:
        super().__init__(engine, timeout_s, failed)
        self._reads = asyncio.Semaphore(READS_AT_ONCE)
        # SQLite has one writer at a time. Here they wait in turn; in SQLite they would poll.
        self._turn: AbstractAsyncContextManager[Any] = (
            asyncio.Lock() if self._in_threads else nullcontext()
        )

    async def end(self) -> None:
        """Wait for the writes whose callers were cancelled, and close all connections."""
        await self.finished()
        await self._engine.dispose()

    @to_its_end
    async def open(
        self,
        uid: str,
        attempt: int,
        *,
        namespace: str,
        name: str,
        prompt: str,
        previous: str | None = None,
        history: Sequence[Mapping[str, str]] = (),
        used: Sequence[UsedObject] = (),
    ) -> Transcript:
        """Begin an attempt at a Task, and return what earlier attempts have stored.

        The outcome of an earlier attempt that has the whole answer stays, and this attempt uses
        nothing. Other outcomes are deleted: this attempt goes on, with the ``used`` objects.

        Raises:
            Fenced: a later attempt has begun.
            StoreError: the database failed.
        """
        now = now_ms()
        # One statement, so that two attempts that begin at once can't both insert, or both win.
        begin = (
            self._dialect.insert(Run)
            .values(
                uid=uid,
                namespace=namespace,
                name=name,
                attempt=attempt,
                previous=previous,
                prompt=storable(prompt),
                history=storable(json.dumps(history)) if history else None,
                created_at=now,
                used_at=now,
            )
            .on_conflict_do_update(
                index_elements=[Run.uid],
                set_={"attempt": attempt, "used_at": now},
                where=Run.attempt <= attempt,
            )
            .returning(Run.uid)
        )
        async with self._write() as connection:
            if await connection.scalar(begin) is None:
                raise Fenced(f"attempt {attempt} is over: another has begun")
            transcript = await _transcript(connection, uid)
            assert transcript is not None  # noqa: S101 - written just now
            if transcript.answered:
                return transcript
            await definitions.record(connection, self._dialect.insert, uid, attempt, used, now)
            if transcript.outcome is None:
                return transcript
            await connection.execute(update(Run).where(Run.uid == uid).values(outcome=None))
            return replace(transcript, outcome=None)

    @to_its_end
    async def add(self, uid: str, *items: Item) -> None:
        """Store finished items of one attempt, all or none.

        Raises:
            Fenced: a later attempt has begun, or the run is deleted.
            StoreError: the database failed.
        """
        async with self._write() as connection:
            await _hold_fence(connection, uid, items[0].attempt)
            await self._insert(connection, uid, items)

    @to_its_end
    async def close(
        self,
        uid: str,
        attempt: int,
        outcome: Mapping[str, Any],
        *items: Item,
    ) -> None:
        """Store the end of a run, together with its last items if there are new ones.

        Raises:
            Fenced: a later attempt has begun, or the run is deleted.
            StoreError: the database failed.
        """
        async with self._write() as connection:
            await _hold_fence(connection, uid, attempt)
            if items:
                await self._insert(connection, uid, items)
            await connection.execute(
                update(Run).where(Run.uid == uid).values(outcome=json.dumps(outcome))
            )

    @to_its_end
    async def use(self, uid: str, attempt: int, used: Sequence[UsedObject]) -> None:
        """Store that an attempt uses further objects. ``used`` has all of its objects.

        Raises:
            Fenced: a later attempt has begun, or the run is deleted.
            StoreError: the database failed.
        """
        async with self._write() as connection:
            await _hold_fence(connection, uid, attempt)
            await definitions.record(connection, self._dialect.insert, uid, attempt, used, now_ms())

    @to_its_end
    async def records(self, uid: str) -> Sequence[AttemptRecord]:
        """Return the objects that a run used, of the first attempt first.

        An attempt without a record used those of the one before.

        Raises:
            StoreError: the database failed.
        """
        async with self._read() as connection:
            return await definitions.records_of(connection, uid)

    @to_its_end
    async def definitions(self, uid: str, only: str | None = None) -> Mapping[str, str]:
        """Return the specs that a run used, as JSON, by their hashes.

        Specs beyond some MiB are left out. ``only`` is the hash of the one to return.

        Raises:
            StoreError: the database failed.
        """
        async with self._read() as connection:
            return await definitions.definitions_of(connection, uid, only)

    @to_its_end
    async def get(self, uid: str) -> Transcript | None:
        """Return the transcript of a Task, or None if there is none.

        Raises:
            StoreError: the database failed.
        """
        async with self._read() as connection:
            return await _transcript(connection, uid)

    async def conversation(self, uid: str) -> Conversation:
        """Return a Task's transcript and those before it, as many as one run may hold in memory.

        Raises:
            StoreError: the database failed.
        """
        turns: dict[str, Transcript] = {}
        place: str | None = uid
        room, whole, broken = MAX_CONVERSATION_BYTES, True, False
        while place is not None and place not in turns:
            transcript = await self.get(place)
            if transcript is None:
                broken = bool(turns)
                break
            room -= transcript.size
            if turns and (room < 0 or len(turns) == MAX_TURNS):
                whole = False
                break
            turns[place] = transcript
            place = transcript.previous
        return Conversation(list(turns.values())[::-1], whole, broken)

    @to_its_end
    async def adopt(self, uid: str, former: Sequence[str], *, namespace: str, name: str) -> bool:
        """Give a Task that was restored from the trash the transcript of a former life.

        A restored Task has a new UID. Its namespace and its name are the former ones; a transcript
        of another Task isn't given away. Nothing happens if the Task has a transcript already.

        Args:
            uid: UID of the Task.
            former: Its former UIDs, the newest first. The first one with a transcript counts.
            namespace: Namespace of the Task.
            name: Name of the Task.

        Returns:
            True if the transcript has moved.

        Raises:
            StoreError: the database failed.
        """
        async with self._write() as connection:
            return await housekeeping.adopt(
                connection, self._dialect.insert, uid, former, namespace=namespace, name=name
            )

    @to_its_end
    async def unused_since(
        self, before_ms: int, after: str = "", limit: int = 1000
    ) -> Sequence[str]:
        """Return the UIDs of runs without a write since a time, in order, after ``after``.

        Args:
            before_ms: Unix time in milliseconds.
            after: UID after which the page begins.
            limit: Maximum number of UIDs.

        Raises:
            StoreError: the database failed.
        """
        async with self._read() as connection:
            return await housekeeping.unused_since(connection, before_ms, after, limit)

    @to_its_end
    async def delete(self, uids: Sequence[str], before_ms: int | None = None) -> None:
        """Delete transcripts, but none that was written since ``before_ms``.

        With ``before_ms``, the specs that no other run used are deleted as well.

        Raises:
            StoreError: the database failed.
        """
        async with self._write() as connection:
            await housekeeping.delete_runs(connection, uids, before_ms)

    async def probe(self, uid: str) -> None:
        """Write and delete a run of some size, to find out whether the database takes writes.

        Raises:
            StoreError: the database failed.
        """
        await self.open(uid, 1, namespace="", name="", prompt=" " * PROBE_CHARACTERS)
        await self.delete([uid])

    async def _insert(self, connection: AsyncConnection, uid: str, items: Sequence[Item]) -> None:
        """Insert items. One that is there has been written by a call that had no answer."""
        new = self._dialect.insert(Row).on_conflict_do_nothing()
        await connection.execute(new, [row_of(uid, item) for item in items])

    @asynccontextmanager
    async def _write(self) -> AsyncIterator[AsyncConnection]:
        async with self._watched(), self._in_turn(), self._engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def _read(self) -> AsyncIterator[AsyncConnection]:
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self._limit_s):
                    await stack.enter_async_context(self._reads)
            except TimeoutError as error:
                raise StoreError("too many transcripts are read now", lost=False) from error
            yield await stack.enter_async_context(super()._read())

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        """Wait for the turn of a write, but not longer than the caller does."""
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(self._limit_s):
                await stack.enter_async_context(self._turn)
            yield


async def _hold_fence(connection: AsyncConnection, uid: str, attempt: int) -> None:
    """Lock the run's row, and check that the attempt is still the newest."""
    held = await connection.execute(
        update(Run).where(Run.uid == uid, Run.attempt == attempt).values(used_at=now_ms())
    )
    if not held.rowcount:
        raise Fenced(f"attempt {attempt} is over: another has begun, or the Task is deleted")


async def _transcript(connection: AsyncConnection, uid: str) -> Transcript | None:
    run = (await connection.execute(select(Run.__table__).where(Run.uid == uid))).one_or_none()
    if run is None:
        return None
    items = await connection.execute(
        select(Row.__table__).where(Row.uid == uid).order_by(Row.number)
    )
    return Transcript(
        uid=run.uid,
        namespace=run.namespace,
        name=run.name,
        attempt=run.attempt,
        previous=run.previous,
        prompt=run.prompt,
        items=items_of(items),
        outcome=json.loads(run.outcome) if run.outcome else None,
        history=tuple(json.loads(run.history)) if run.history else (),
    )
