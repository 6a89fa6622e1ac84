"""A Tombstone of an earlier try is updated, although others write it at the same time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.objects import body
from wegent_crds.registry import GHOST
from wegent_kube import ApiError
from wegent_operator.runtime.metrics import Metrics
from wegent_operator.state.refusals import Blocked
from wegent_operator.trash.tombstone_store import REFRESH_TRIES, TombstoneStore

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Client:
    """An API server with a Tombstone of the name, whose first updates conflict."""

    def __init__(self, conflicts: int) -> None:
        self.conflicts = conflicts
        self.puts: list[dict[str, Any]] = []

    async def request(self, method: str, _: str, **request: Any) -> Any:
        if method == "POST":
            raise ApiError(409, {"reason": "AlreadyExists"})
        if method == "GET":
            return {"metadata": {"name": "t"}, "spec": {"object": {}, "restore": True}}
        self.puts.append(request["body"])
        if len(self.puts) <= self.conflicts:
            raise ApiError(409, {"reason": "Conflict"})
        return request["body"]


def deleted() -> dict[str, Any]:
    ghost = body("Ghost", "g")
    ghost["metadata"]["deletionTimestamp"] = "2026-01-31T11:59:59Z"
    return ghost


def store_of(client: Any) -> TombstoneStore:
    return TombstoneStore(client, Metrics(), timedelta(days=1), lambda: NOW)


async def test_a_conflict_with_another_writer_is_tried_again_at_once() -> None:
    client = Client(conflicts=2)
    await store_of(client).store(GHOST, deleted())
    assert len(client.puts) == 3
    assert client.puts[-1]["spec"]["object"]["metadata"]["name"] == "g"
    assert client.puts[-1]["spec"]["restore"] is True


async def test_endless_conflicts_block_the_deletion_for_now() -> None:
    client = Client(conflicts=REFRESH_TRIES)
    with pytest.raises(Blocked):
        await store_of(client).store(GHOST, deleted())
    assert len(client.puts) == REFRESH_TRIES
