"""Reads and writes transcripts. Each write bears its attempt, and a higher attempt fences it off.

A runner that was thought dead may still write. Its attempt is lower than its successor's by then,
and nothing of it is stored.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import delete, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from wegent_runner.runs.items import Message
from wegent_runner.store.tables import Item, Run

MAX_TURNS: Final = 200
"""Maximum number of earlier Tasks in a conversation."""


class StoreError(Exception):
    """The database can't be read or written. The message holds no contents."""


class Fenced(StoreError):  # noqa: N818 - names the event
    """A later attempt has begun. This one may not write."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """The stored run of a Task."""

    uid: str
    namespace: str
    name: str
    attempt: int
    previous: str | None
    prompt: str
    items: tuple[Message, ...]
    outcome: Mapping[str, Any] | None
    history: tuple[Mapping[str, str], ...] = ()
    """Turns before the prompt, each with ``role`` and ``content``."""


class TranscriptStore:
    """The transcripts in one database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

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
    ) -> Transcript:
        """Begin an attempt at a Task, and return what earlier attempts have stored.

        Raises:
            Fenced: a later attempt has begun.
            StoreError: the database failed.
        """
        now = _now_ms()
        try:
            async with self._engine.begin() as connection:
                found = await _begin_attempt(connection, uid, attempt, now)
                if not found:
                    await connection.execute(
                        Run.__table__.insert().values(  # type: ignore[attr-defined]
                            uid=uid,
                            namespace=namespace,
                            name=name,
                            attempt=attempt,
                            previous=previous,
                            prompt=prompt,
                            history=json.dumps(history) if history else None,
                            created_at=now,
                            used_at=now,
                        )
                    )
                return await _transcript(connection, uid)
        except SQLAlchemyError as error:
            raise StoreError(f"the store failed: {type(error).__name__}") from error

    async def add(self, uid: str, item: Message) -> None:
        """Store a finished item.

        Raises:
            Fenced: a later attempt has begun.
            StoreError: the database failed.
        """
        try:
            async with self._engine.begin() as connection:
                await _hold_fence(connection, uid, item.attempt)
                await connection.execute(
                    Item.__table__.insert().values(  # type: ignore[attr-defined]
                        uid=uid,
                        number=item.index,
                        attempt=item.attempt,
                        start=item.start,
                        status=item.status,
                        bot=item.bot,
                        text=item.text,
                    )
                )
        except SQLAlchemyError as error:
            raise StoreError(f"the store failed: {type(error).__name__}") from error

    async def close(self, uid: str, attempt: int, outcome: Mapping[str, Any]) -> None:
        """Store the end of a run.

        Raises:
            Fenced: a later attempt has begun.
            StoreError: the database failed.
        """
        try:
            async with self._engine.begin() as connection:
                await _hold_fence(connection, uid, attempt)
                await connection.execute(
                    update(Run).where(Run.uid == uid).values(outcome=json.dumps(outcome))
                )
        except SQLAlchemyError as error:
            raise StoreError(f"the store failed: {type(error).__name__}") from error

    async def get(self, uid: str) -> Transcript | None:
        """Return the transcript of a Task, or None if there is none.

        Raises:
            StoreError: the database failed.
        """
        try:
            async with self._engine.connect() as connection:
                found = await connection.scalar(select(Run.uid).where(Run.uid == uid))
                return None if found is None else await _transcript(connection, uid)
        except SQLAlchemyError as error:
            raise StoreError(f"the store failed: {type(error).__name__}") from error

    async def conversation(self, uid: str) -> Sequence[Transcript]:
        """Return a Task's transcript and those before it, the oldest first.

        Raises:
            StoreError: the database failed.
        """
        turns: list[Transcript] = []
        place: str | None = uid
        while place is not None and len(turns) < MAX_TURNS:
            if any(turn.uid == place for turn in turns):
                break
            transcript = await self.get(place)
            if transcript is None:
                break
            turns.append(transcript)
            place = transcript.previous
        return turns[::-1]

    async def delete(self, uids: Sequence[str]) -> None:
        """Delete the transcripts of Tasks that are gone.

        Raises:
            StoreError: the database failed.
        """
        try:
            async with self._engine.begin() as connection:
                await connection.execute(delete(Run).where(Run.uid.in_(uids)))
        except SQLAlchemyError as error:
            raise StoreError(f"the store failed: {type(error).__name__}") from error


async def _begin_attempt(connection: AsyncConnection, uid: str, attempt: int, now: int) -> bool:
    """Raise the fence to ``attempt``. Return False if the Task has no run yet."""
    raised = await connection.execute(
        update(Run)
        .where(Run.uid == uid, Run.attempt <= attempt)
        .values(attempt=attempt, used_at=now, outcome=None)
    )
    if raised.rowcount:
        return True
    if await connection.scalar(select(Run.attempt).where(Run.uid == uid)) is not None:
        raise Fenced(f"attempt {attempt} is over: another has begun")
    return False


async def _hold_fence(connection: AsyncConnection, uid: str, attempt: int) -> None:
    """Lock the run's row, and check that the attempt is still the newest."""
    held = await connection.execute(
        update(Run).where(Run.uid == uid, Run.attempt == attempt).values(used_at=_now_ms())
    )
    if not held.rowcount:
        raise Fenced(f"attempt {attempt} is over: another has begun, or the Task is deleted")


async def _transcript(connection: AsyncConnection, uid: str) -> Transcript:
    run = (await connection.execute(select(Run.__table__).where(Run.uid == uid))).one()
    items = await connection.execute(
        select(Item.__table__).where(Item.uid == uid).order_by(Item.number)
    )
    return Transcript(
        uid=run.uid,
        namespace=run.namespace,
        name=run.name,
        attempt=run.attempt,
        previous=run.previous,
        prompt=run.prompt,
        items=tuple(
            Message(it.number, it.attempt, it.start, it.text, it.status, it.bot) for it in items
        ),
        outcome=json.loads(run.outcome) if run.outcome else None,
        history=tuple(json.loads(run.history)) if run.history else (),
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
