"""The objects that each attempt of a run used, and their specs as they were.

Specs are stored by their hash, so that a thousand runs with one prompt share one copy. An attempt
that used the same objects as the one before adds nothing.

A spec goes with the last run that used it. A run that begins meanwhile must not lose it: each use
sets ``used_at``, and only specs without a recent use are deleted. To keep runs of one Bot from
waiting for one another's lock on that row, a recent ``used_at`` stays as it is.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import Mapped, mapped_column

from wegent_runner.runs.used import AttemptRecord, ObjectVersion, UsedObject, canonical
from wegent_runner.store.tables import Base

RECENT_MS: Final = 600_000
"""Milliseconds for which a spec's ``used_at`` stays as it is. It must be shorter than the time for
which transcripts are kept after their last write (``retention.YOUNG_S``)."""
MAX_DEFINITION_CHARACTERS: Final = 2 << 20
"""Maximum size of the specs in one answer: a runner answers several readers at once."""

SPECS_AT_ONCE: Final = 16
"""Number of specs in one statement: each may have a megabyte."""


class Definition(Base):
    """A spec."""

    __tablename__ = "definitions"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    body: Mapped[str] = mapped_column(Text)
    """The canonical JSON whose SHA-256 hash is ``hash``."""
    used_at: Mapped[int] = mapped_column(BigInteger)
    """Unix time in milliseconds of the last use, or up to ten minutes before it."""


class RunDefinition(Base):
    """One object that an attempt used. An attempt without any used those of the one before."""

    __tablename__ = "run_definitions"
    __table_args__ = (Index("run_definitions_by_hash", "hash"),)

    uid: Mapped[str] = mapped_column(ForeignKey("runs.uid", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    """Place of the object in the attempt, from 0."""
    kind: Mapped[str] = mapped_column(String(63))
    namespace: Mapped[str] = mapped_column(String(63))
    name: Mapped[str] = mapped_column(String(253))
    object_uid: Mapped[str] = mapped_column(String(64))
    generation: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(ForeignKey("definitions.hash"))


async def record(
    connection: AsyncConnection,
    insert: Callable[[type[Base]], Any],
    uid: str,
    attempt: int,
    used: Sequence[UsedObject],
    now_ms: int,
) -> None:
    """Store the objects that an attempt uses, unless they are stored. Its fence must be held.

    ``used`` has all of them, and not only further ones. ``insert`` is the database's own
    ``INSERT``, which knows ``ON CONFLICT``.
    """
    records = await records_of(connection, uid)
    last = records[-1] if records else AttemptRecord(0, ())
    versions = dict.fromkeys(it.version for it in used)
    if versions.keys() == set(last.objects):
        return
    first = 0
    if last.attempt == attempt:
        first = len(last.objects)
        versions = {it: None for it in versions if it not in last.objects}
    if not versions:
        return
    await _keep(connection, insert, used, now_ms)
    await connection.execute(
        RunDefinition.__table__.insert(),  # type: ignore[attr-defined]
        [
            {
                "uid": uid,
                "attempt": attempt,
                "number": number,
                "kind": it.kind,
                "namespace": it.namespace,
                "name": it.name,
                "object_uid": it.uid,
                "generation": it.generation,
                "hash": it.hash,
            }
            for number, it in enumerate(versions, first)
        ],
    )


async def _keep(
    connection: AsyncConnection,
    insert: Callable[[type[Base]], Any],
    used: Sequence[UsedObject],
    now_ms: int,
) -> None:
    """Store the specs that are not there, and put off the deletion of the others."""
    specs = {it.version.hash: it.spec for it in used}
    for hashes in _pages(specs):
        recent = await connection.scalars(
            select(Definition.hash).where(
                Definition.hash.in_(hashes), Definition.used_at > now_ms - RECENT_MS
            )
        )
        # In order, so that two runs that begin at once can't wait for each other's rows.
        missing = sorted(set(hashes) - set(recent))
        for few in _pages(missing, SPECS_AT_ONCE):
            adding = insert(Definition)
            await connection.execute(
                adding.on_conflict_do_update(
                    index_elements=[Definition.hash], set_={"used_at": adding.excluded.used_at}
                ),
                [{"hash": it, "body": canonical(specs[it]), "used_at": now_ms} for it in few],
            )


async def records_of(connection: AsyncConnection, uid: str) -> list[AttemptRecord]:
    """Return the objects that a run used: a record for each attempt with others than before."""
    rows = await connection.execute(
        select(RunDefinition.__table__)
        .where(RunDefinition.uid == uid)
        .order_by(RunDefinition.attempt, RunDefinition.number)
    )
    return [
        AttemptRecord(
            attempt,
            tuple(
                ObjectVersion(it.kind, it.namespace, it.name, it.object_uid, it.generation, it.hash)
                for it in group
            ),
        )
        for attempt, group in groupby(rows, lambda row: row.attempt)
    ]


async def definitions_of(
    connection: AsyncConnection, uid: str, only: str | None = None
) -> dict[str, str]:
    """Return specs that a run used, as JSON, by their hashes.

    The newest attempt comes first. Specs beyond ``MAX_DEFINITION_CHARACTERS`` are left out.
    ``only`` is the hash of the one to return.
    """
    sized = (
        select(RunDefinition.hash, func.length(Definition.body).label("size"))
        .join(Definition, Definition.hash == RunDefinition.hash)
        .where(RunDefinition.uid == uid)
        .order_by(RunDefinition.attempt.desc(), RunDefinition.number)
    )
    if only is not None:
        sized = sized.where(RunDefinition.hash == only)
    sizes = {row.hash: int(row.size) for row in await connection.execute(sized)}
    room, chosen = MAX_DEFINITION_CHARACTERS, list[str]()
    for hash_, size in sizes.items():
        room -= size
        if room < 0:
            break
        chosen.append(hash_)
    found: dict[str, str] = {}
    for hashes in _pages(chosen):
        rows = await connection.execute(
            select(Definition.hash, Definition.body).where(Definition.hash.in_(hashes))
        )
        found.update((row.hash, row.body) for row in rows)
    return found


async def hashes_of(connection: AsyncConnection, uids: Sequence[str]) -> list[str]:
    """Return the hashes of the specs that runs used."""
    hashes = await connection.scalars(
        select(RunDefinition.hash).where(RunDefinition.uid.in_(uids)).distinct()
    )
    return list(hashes)


async def delete_unused(connection: AsyncConnection, hashes: Sequence[str], before_ms: int) -> None:
    """Delete the specs that no run refers to, without a use since ``before_ms``."""
    refers = select(RunDefinition.uid).where(RunDefinition.hash == Definition.hash)
    for page in _pages(hashes):
        await connection.execute(
            delete(Definition).where(
                Definition.hash.in_(page), Definition.used_at < before_ms, ~refers.exists()
            )
        )


async def move(connection: AsyncConnection, old: str, new: str) -> None:
    """Give the record of one run to another."""
    await connection.execute(update(RunDefinition).where(RunDefinition.uid == old).values(uid=new))


def _pages(hashes: Iterable[str], size: int = 1000) -> Iterator[list[str]]:
    """Yield hashes in pages: a statement may have some thousands of parameters."""
    rest = iter(hashes)
    while page := list(islice(rest, size)):
        yield page
