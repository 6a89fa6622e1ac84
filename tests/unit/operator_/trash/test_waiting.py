"""The obstacles that a deleted object waits for before it can go into the trash."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.objects import state
from wegent_crds.conditions import Reason
from wegent_crds.well_known import RESTORED_FROM, TRASH_FINALIZER
from wegent_operator.state.cache import Cache
from wegent_operator.trash.waiting import waits_for_finalizers, waits_for_restore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DELETED = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


def test_an_object_waits_for_the_finalizers_of_others() -> None:
    own = state("Ghost", "g", metadata={**DELETED, "finalizers": [TRASH_FINALIZER]})
    assert waits_for_finalizers(own, NOW) is None
    both = state("Ghost", "g", metadata={**DELETED, "finalizers": ["a.b/c", TRASH_FINALIZER]})
    blocked = waits_for_finalizers(both, NOW)
    assert blocked is not None
    assert blocked.reason == Reason.FINALIZERS_REMAIN
    assert "a.b/c" in blocked.message
    assert TRASH_FINALIZER not in blocked.message


def condition(type_: str, reason: str) -> dict[str, Any]:
    return {"type": type_, "status": "False", "reason": reason, "message": ""}


@pytest.mark.parametrize(
    ("changes", "waits"),
    [
        ({}, True),
        ({"spec": {"restore": False}}, False),
        ({"spec": {"name": "another"}}, False),
        ({"spec": {"kind": "Bot"}}, False),
        ({"metadata": DELETED}, False),
        ({"status": {"conditions": [condition("Ready", Reason.NOT_RESTORED)]}}, True),
        ({"status": {"conditions": [condition("Ready", Reason.NAME_TAKEN)]}}, False),
        ({"status": {"conditions": [condition("Deleted", Reason.DELETION_BLOCKED)]}}, False),
    ],
)
def test_an_object_waits_for_the_tombstone_that_restores_it(
    changes: dict[str, Any],
    *,
    waits: bool,
) -> None:
    metadata = {**DELETED, "annotations": {RESTORED_FROM: "ghost-1"}}
    restored = state("Ghost", "g", metadata=metadata)
    cache = Cache()
    assert waits_for_restore(restored, cache, NOW) is None, "there is no Tombstone"
    spec = {"kind": "Ghost", "name": "g", "restore": True, **changes.get("spec", {})}
    more = {key: value for key, value in changes.items() if key != "spec"}
    cache.put(state("Tombstone", "ghost-1", spec, **more))
    blocked = waits_for_restore(restored, cache, NOW)
    assert (blocked is not None) is waits
    if blocked is not None:
        assert blocked.reason == Reason.DELETION_BLOCKED
        assert "ghost-1" in blocked.message
