"""The objects that a run used, as the transcript has them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Final

from aiohttp import web

from wegent_runner.runs.used import AttemptRecord
from wegent_runner.store.transcripts import TranscriptStore

WITH_DEFINITIONS: Final = "definitions"
"""Value of the parameter ``with``."""


async def used_body(store: TranscriptStore, uid: str, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the members of a transcript on the objects that the run used.

    With ``with=definitions`` they have the specs too, all or the one with the given ``hash``. The
    API proxy decides which of them its caller may see.

    Raises:
        web.HTTPBadRequest: ``with`` has another value.
        StoreError: the database failed.
    """
    body: dict[str, Any] = {"ran": records_body(await store.records(uid))}
    if (wanted := query.get("with")) is not None:
        if wanted != WITH_DEFINITIONS:
            raise web.HTTPBadRequest(text=f"with: must be {WITH_DEFINITIONS}")
        found = await store.definitions(uid, query.get("hash"))
        body["definitions"] = {hash_: json.loads(text) for hash_, text in found.items()}
    return body


def records_body(records: Iterable[AttemptRecord]) -> list[dict[str, Any]]:
    """Return records as JSON: the objects of an attempt, and of those up to the next record."""
    return [
        {"attempt": it.attempt, "objects": [asdict(version) for version in it.objects]}
        for it in records
    ]
