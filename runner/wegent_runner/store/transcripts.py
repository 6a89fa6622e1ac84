"""Reads and writes transcripts. Each write bears its attempt, and a higher attempt fences it off.

A runner that was thought dead may still write. Its attempt is lower than its successor's by then,
and nothing of it is stored.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
)
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from wegent_crds.phases import Phase
from wegent_runner.runs.items import Item, Message
from wegent_runner.runs.text import storable
from wegent_runner.runs.used import AttemptRecord, UsedObject
from wegent_runner.store import definitions
from wegent_runner.store.engine import READING, TIMEOUT_S
from wegent_runner.store.failures import Fenced, StoreError, as_store_errors, no_answer
from wegent_runner.store.rows import items_of, row_of
from wegent_runner.store.tables import Item as Row
from wegent_runner.store.tables import Run

MAX_TURNS: Final = 200
"""Maximum number of earlier Tasks in a conversation."""
MAX_CONVERSATION_BYTES: Final = 2 << 20
"""Maximum size of a conversation's texts in UTF-8: about half a million tokens. Each slot holds one
conversation, and all slots together must fit into the runner's memory."""
GRACE_S: Final = 2.0
"""Seconds by which a whole operation may exceed the database's own timeouts, which come first."""
READS_AT_ONCE: Final = 8
"""Reads at a time, about half of a pool's connections. The others are left to running Tasks."""
PROBE_CHARACTERS: Final = 65536
"""Size of the row that a probe writes: a database with less room counts as full."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """The stored run of a Task."""

    uid: str
    namespace: str
    name: str
    attempt: int
    previous: str | None
    prompt: str
    items: tuple[Item, ...]
    outcome: Mapping[str, Any] | None
    history: tuple[Mapping[str, str], ...] = ()
    """Turns before the prompt, each with ``role`` and ``content``."""

    @property
    def answered(self) -> bool:
        """True if the run has ended with an answer, and not by a failure or a stop."""
        return self.outcome is not None and self.outcome.get("phase") == Phase.COMPLETED

    @property
    def answer(self) -> str:
        """The answer to the prompt; empty if there is none.

        Texts that an LLM wrote before it called tools, or for other Bots, are no part of it.
        """
        return next((item.text for item in reversed(self.items) if is_answer(item)), "")

    @property
    def size(self) -> int:
        """Number of bytes of its texts in UTF-8."""
        said = [self.prompt, *(turn["content"] for turn in self.history)]
        return sum(len(text.encode()) for text in (*said, *(item.text for item in self.items)))


@dataclass(frozen=True, slots=True)
class Conversation:
    """The stored turns of a Task and of those before it.

    Attributes:
        transcripts: The transcripts, the oldest first.
        whole: False if older ones were left out, because there are too many or too long ones.
    """

    transcripts: Sequence[Transcript]
    whole: bool = True


P = ParamSpec("P")
T = TypeVar("T")


def _to_its_end(
    method: Callable[Concatenate["TranscriptStore", P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate["TranscriptStore", P], Coroutine[Any, Any, T]]:
    """Let a method go on to its end if its caller is cancelled, or has waited too long.

    SQLite runs in threads. A statement whose caller is gone is not closed, and keeps the lock of
    its transaction until Python collects its remains: in a quiet runner, for minutes.
    """

    @wraps(method)
    async def run(store: "TranscriptStore", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await store._finish(method(store, *args, **kwargs))  # noqa: SLF001 - its own class

    return run


class TranscriptStore:
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
        self._engine = engine
        self._dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
        self._reader = engine.execution_options(**{READING: True})
        self._limit_s = timeout_s + GRACE_S
        self._failed = failed
        self._reads = asyncio.Semaphore(READS_AT_ONCE)
        self._working: set[asyncio.Task[Any]] = set()
        # SQLite has one writer at a time. Here they wait in turn; in SQLite they would poll.
        self._in_threads = engine.dialect.name == "sqlite"
        self._turn: AbstractAsyncContextManager[Any] = (
            asyncio.Lock() if self._in_threads else nullcontext()
        )

    async def end(self) -> None:
        """Wait for the writes whose callers were cancelled, and close all connections."""
        await self.finished()
        await self._engine.dispose()

    async def finished(self) -> None:
        """Wait for the operations whose callers wait no more."""
        await asyncio.gather(*self._working, return_exceptions=True)

    async def _finish(self, work: Coroutine[Any, Any, T]) -> T:
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

    @_to_its_end
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
        now = _now_ms()
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

    @_to_its_end
    async def add(self, uid: str, *items: Item) -> None:
        """Store finished items of one attempt, all or none.

        Raises:
            Fenced: a later attempt has begun, or the run is deleted.
            StoreError: the database failed.
        """
        async with self._write() as connection:
            await _hold_fence(connection, uid, items[0].attempt)
            await self._insert(connection, uid, items)

    @_to_its_end
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

    @_to_its_end
    async def use(self, uid: str, attempt: int, used: Sequence[UsedObject]) -> None:
        """Store that an attempt uses further objects. ``used`` has all of its objects.

        Raises:
            Fenced: a later attempt has begun, or the run is deleted.
            StoreError: the database failed.
        """
        async with self._write() as connection:
            await _hold_fence(connection, uid, attempt)
            await definitions.record(
                connection, self._dialect.insert, uid, attempt, used, _now_ms()
            )

    @_to_its_end
    async def records(self, uid: str) -> Sequence[AttemptRecord]:
        """Return the objects that a run used, of the first attempt first.

        An attempt without a record used those of the one before.

        Raises:
            StoreError: the database failed.
        """
        async with self._read() as connection:
            return await definitions.records_of(connection, uid)

    @_to_its_end
    async def definitions(self, uid: str, only: str | None = None) -> Mapping[str, str]:
        """Return the specs that a run used, as JSON, by their hashes.

        Specs beyond some MiB are left out. ``only`` is the hash of the one to return.

        Raises:
            StoreError: the database failed.
        """
        async with self._read() as connection:
            return await definitions.definitions_of(connection, uid, only)

    @_to_its_end
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
        room, whole = MAX_CONVERSATION_BYTES, True
        while place is not None and place not in turns:
            transcript = await self.get(place)
            if transcript is None:
                break
            room -= transcript.size
            if turns and (room < 0 or len(turns) == MAX_TURNS):
                whole = False
                break
            turns[place] = transcript
            place = transcript.previous
        return Conversation(list(turns.values())[::-1], whole)

    @_to_its_end
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
            # The locks let one of several readers, which all adopt at once, move the transcript.
            found = await connection.execute(
                select(Run.__table__)
                .where(Run.uid.in_(former), Run.namespace == namespace, Run.name == name)
                .order_by(Run.uid)
                .with_for_update()
            )
            runs = {run["uid"]: run for run in found.mappings()}
            old = next((it for it in former if it in runs), None)
            if old is None:
                return False
            run = runs[old]
            new = (
                self._dialect.insert(Run)
                .values({**run, "uid": uid, "used_at": _now_ms()})
                .on_conflict_do_nothing()
                .returning(Run.uid)
            )
            if await connection.scalar(new) is None:
                return False  # the Task has a transcript of its own
            await connection.execute(update(Row).where(Row.uid == old).values(uid=uid))
            await definitions.move(connection, old, uid)
            await connection.execute(update(Run).where(Run.previous == old).values(previous=uid))
            await connection.execute(delete(Run).where(Run.uid == old))
            return True

    @_to_its_end
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
            found = await connection.scalars(
                select(Run.uid)
                .where(Run.used_at < before_ms, Run.uid > after)
                .order_by(Run.uid)
                .limit(limit)
            )
            return found.all()

    @_to_its_end
    async def delete(self, uids: Sequence[str], before_ms: int | None = None) -> None:
        """Delete transcripts, but none that was written since ``before_ms``.

        With ``before_ms``, the specs that no other run used are deleted as well.

        Raises:
            StoreError: the database failed.
        """
        gone = delete(Run).where(Run.uid.in_(uids))
        if before_ms is not None:
            gone = gone.where(Run.used_at < before_ms)
        async with self._write() as connection:
            hashes = await definitions.hashes_of(connection, uids) if before_ms is not None else ()
            await connection.execute(gone)
            if before_ms is not None:
                await definitions.delete_unused(connection, hashes, before_ms)

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
            async with self._watched(), self._reader.connect() as connection:
                yield connection

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        """Wait for the turn of a write, but not longer than the caller does."""
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(self._limit_s):
                await stack.enter_async_context(self._turn)
            yield

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


def is_answer(item: Item) -> bool:
    """Return True if an item is a text for the user."""
    return isinstance(item, Message) and item.final and bool(item.text)


async def _hold_fence(connection: AsyncConnection, uid: str, attempt: int) -> None:
    """Lock the run's row, and check that the attempt is still the newest."""
    held = await connection.execute(
        update(Run).where(Run.uid == uid, Run.attempt == attempt).values(used_at=_now_ms())
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


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
