"""The errors of the store. Every error of a database or its driver becomes a ``StoreError``.

::

    StoreError
    └── Fenced      a later attempt has begun: this one may not write
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
from alembic.util import CommandError
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError

_DATABASE_ERRORS: Final = (
    SQLAlchemyError,
    CommandError,
    # SQLAlchemy passes these on as they are when a connection can't be opened.
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    sqlite3.Error,
    OSError,
)


class StoreError(Exception):
    """The database can't be read or written. The message holds no contents and no password.

    Attributes:
        lost: False if the database works, and has refused this one operation.
    """

    def __init__(self, message: str, *, lost: bool = True) -> None:
        super().__init__(message)
        self.lost = lost


class Fenced(StoreError):  # noqa: N818 - names the event
    """A later attempt has begun, or the run is deleted. This attempt may not write."""

    def __init__(self, message: str) -> None:
        super().__init__(message, lost=False)


def no_answer(within_s: float | None) -> StoreError:
    """Return the failure for a database that was silent for too long."""
    within = "in time" if within_s is None else f"within {within_s:g} s"
    return StoreError(f"the store gave no answer {within}")


@asynccontextmanager
async def as_store_errors(timeout_s: float | None) -> AsyncIterator[None]:
    """Turn the errors of a database into ``StoreError``, and a time of silence too.

    Raises:
        StoreError: the database failed, or gave no answer within ``timeout_s``, if that is set.
    """
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError as error:
        raise no_answer(timeout_s) from error
    except _DATABASE_ERRORS as error:
        # Not its text, which holds the statement's parameters: prompts and answers.
        lost = not isinstance(error, IntegrityError | DataError)
        raise StoreError(f"the store failed: {_kind_of(error)}", lost=lost) from error


def _kind_of(error: BaseException) -> str:
    """Return the name of the error that the driver raised, and SQLite's short code."""
    original = error.orig if isinstance(error, DBAPIError) and error.orig else error
    cause = original.__cause__ or original
    code = getattr(cause, "sqlite_errorname", None)
    return f"{type(cause).__name__} {code}" if code else type(cause).__name__
