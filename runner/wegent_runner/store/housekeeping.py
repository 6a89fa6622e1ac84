"""Transcripts of Tasks that were restored from the trash, and of Tasks that are gone."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from wegent_runner.store import definitions
from wegent_runner.store.tables import Item as Row
from wegent_runner.store.tables import Run


async def adopt(
    connection: AsyncConnection,
    insert: Callable[..., Any],
    uid: str,
    former: Sequence[str],
    *,
    namespace: str,
    name: str,
) -> bool:
    """Give a restored Task the transcript of a former life; return True if it has moved.

    Args:
        connection: A connection in a transaction.
        insert: The dialect's ``insert``.
        uid: UID of the Task.
        former: Its former UIDs, the newest first.
        namespace: Namespace of the Task.
        name: Name of the Task.
    """
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
        insert(Run)
        .values({**run, "uid": uid, "used_at": now_ms()})
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


async def unused_since(
    connection: AsyncConnection, before_ms: int, after: str, limit: int
) -> Sequence[str]:
    """Return the UIDs of runs without a write since a time, in order, after ``after``."""
    found = await connection.scalars(
        select(Run.uid)
        .where(Run.used_at < before_ms, Run.uid > after)
        .order_by(Run.uid)
        .limit(limit)
    )
    return found.all()


async def delete_runs(
    connection: AsyncConnection, uids: Sequence[str], before_ms: int | None
) -> None:
    """Delete transcripts, but none that was written since ``before_ms``.

    With ``before_ms``, the specs that no other run used are deleted as well.
    """
    gone = delete(Run).where(Run.uid.in_(uids))
    if before_ms is None:
        await connection.execute(gone)
        return
    hashes = await definitions.hashes_of(connection, uids)
    await connection.execute(gone.where(Run.used_at < before_ms))
    await definitions.delete_unused(connection, hashes, before_ms)


def now_ms() -> int:
    """Return the present time in Unix milliseconds."""
    return time.time_ns() // 1_000_000
