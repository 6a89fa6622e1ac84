"""The content of a Tombstone, and the owners of a restored object's fields: pure functions."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from tests.crds.largest import largest_body, stored_size
from tests.support.policy_files import metadata_bounds
from tests.unit.objects import body
from wegent_crds.kinds.task_status import RAN_MAX_OBJECTS, RESULT_MAX_CHARACTERS
from wegent_crds.registry import BY_KIND, BY_PLURAL, KINDS
from wegent_crds.well_known import RESTORED_FROM, STORED_IN, TOMBSTONE_OF, TRASH_FINALIZER
from wegent_operator.trash.field_managers import given_back
from wegent_operator.trash.tombstones import (
    add_finalizer_patch,
    lean,
    remove_finalizer_patch,
    tombstone_of,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ETCD_MAX_BYTES: Final = 1536 * 1024
SPARE_BYTES: Final = 8 * 1024
"""Room for the Tombstone's own conditions and managed fields."""


def tombstone(kind: str, **metadata: Any) -> dict[str, Any]:
    deleted = {
        "deletionTimestamp": "2026-01-01T00:00:00Z",
        "finalizers": [TRASH_FINALIZER],
        "managedFields": [{"manager": "x"}],
        **metadata,
    }
    hangs = {"type": "Deleted", "status": "False"}
    status = {"conditions": [hangs, {"type": "Ready", "status": "True"}]}
    found = body(kind, "x", metadata=deleted, status=status)
    return tombstone_of(BY_KIND[kind], found, NOW, timedelta(days=30))


def test_a_tombstone_carries_nothing_that_others_track_an_object_by() -> None:
    tracking = {"app.kubernetes.io/instance": "app", "kapp.k14s.io/app": "1"}
    found = tombstone("Ghost", labels=tracking, annotations={"argocd.argoproj.io/tracking-id": "a"})
    assert found["metadata"]["labels"] == {TOMBSTONE_OF: "ghosts"}
    assert set(found["metadata"]) == {"name", "namespace", "labels"}
    assert found["spec"]["object"]["metadata"]["labels"] == tracking


@pytest.mark.parametrize(
    "status",
    [None, 7, "text", {"conditions": 7}, {"conditions": [7, None]}, {"conditions": [{"type": 5}]}],
)
def test_an_object_is_stored_whatever_its_status_is(status: Any) -> None:
    metadata = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [TRASH_FINALIZER]}
    odd = body("Ghost", "x", metadata=metadata, status=status)
    found = tombstone_of(BY_KIND["Ghost"], odd, NOW, timedelta(days=30))
    assert found["spec"]["object"]["status"] == status


def test_the_mark_of_storing_is_not_kept_and_nobody_owns_it() -> None:
    both: dict[str, Any] = {f"f:{STORED_IN}": {}, "f:note": {}}
    entries = [
        {"manager": "a", "fieldsV1": {"f:metadata": {"f:annotations": {".": {}, **both}}}},
        {"manager": "b", "fieldsV1": {"f:metadata": {"f:annotations": {f"f:{STORED_IN}": {}}}}},
        {"manager": "c", "fieldsV1": {"f:spec": {}}},
    ]
    annotations = {STORED_IN: "ghost-1", "note": "y"}
    kept = tombstone("Ghost", annotations=annotations, managedFields=entries)["spec"]["object"]
    assert kept["metadata"]["annotations"] == {"note": "y"}
    owned: dict[str, Any] = {"f:metadata": {"f:annotations": {".": {}, "f:note": {}}}}
    assert kept["metadata"]["managedFields"] == [{"manager": "a", "fieldsV1": owned}, entries[2]]
    alone = tombstone("Ghost", annotations={STORED_IN: "ghost-1"})["spec"]["object"]
    assert "annotations" not in alone["metadata"]


def test_that_the_deletion_hung_is_not_kept() -> None:
    kept = tombstone("Task")["spec"]["object"]
    assert [it["type"] for it in kept["status"]["conditions"]] == ["Ready"]


def test_a_lean_tombstone_keeps_all_that_does_not_come_by_itself() -> None:
    ghost, task = (lean(tombstone(kind))["spec"]["object"] for kind in ("Ghost", "Task"))
    assert "managedFields" not in ghost["metadata"]
    assert "status" not in ghost
    assert task["status"]["conditions"]


@pytest.mark.parametrize("plural", [kind.plural for kind in KINDS if kind.user_facing])
def test_a_lean_tombstone_of_all_that_the_bounds_let_by_fits(plural: str) -> None:
    kind, made = BY_PLURAL[plural], largest_body(plural)
    bounds = metadata_bounds()
    made["metadata"] |= {
        "uid": "u" * 36,
        "namespace": "n" * 63,
        "deletionTimestamp": "2026-01-01T00:00:00Z",
        "labels": {f"{number:0>317}": "v" * 63 for number in range(bounds["labels"])},
        "annotations": {"a": "n" * bounds["annotationBytes"]},
        "ownerReferences": [{"name": "<" * bounds["ownerChars"]}] * bounds["owners"],
        "managedFields": [{"manager": "m" * ETCD_MAX_BYTES}],
    }
    conditions = [
        {"type": f"Type{number}", "status": "True", "reason": "R" * 1024, "message": "<" * 32768}
        for number in range(8)
    ]
    ran = [{"name": "n" * 253, "namespace": "n" * 63}] * RAN_MAX_OBJECTS
    work = {"result": "<" * RESULT_MAX_CHARACTERS, "message": "<" * 4096, "ran": ran}
    made["status"] = {"conditions": conditions, **(work if plural == "tasks" else {})}
    found = lean(tombstone_of(kind, made, NOW, timedelta(days=30)))
    assert stored_size(found) < ETCD_MAX_BYTES - SPARE_BYTES


def test_finalizers_are_changed_for_one_version_alone() -> None:
    assert add_finalizer_patch(4, ["a"])["metadata"] == {
        "resourceVersion": "4",
        "finalizers": ["a", TRASH_FINALIZER],
    }
    assert remove_finalizer_patch("5", [TRASH_FINALIZER])["metadata"] == {
        "resourceVersion": "5",
        "finalizers": None,
    }


def entry(manager: str, fields: dict[str, Any], subresource: str = "", **more: Any) -> Any:
    where = {"subresource": subresource} if subresource else {}
    return {"manager": manager, "operation": "Update", "fieldsV1": fields, **where, **more}


def by_manager(entries: list[dict[str, Any]]) -> dict[tuple[str, str], Any]:
    return {(it["manager"], it.get("subresource", "")): it["fieldsV1"] for it in entries}


def test_fields_go_back_to_their_owners_and_later_writes_count() -> None:
    spec: dict[str, Any] = {"f:spec": {"f:systemPrompt": {}}}
    label: dict[str, Any] = {"f:metadata": {"f:labels": {"f:a": {}}}}
    own: dict[str, Any] = {"f:metadata": {"f:annotations": {f"f:{RESTORED_FROM}": {}}}}
    kept = [entry("pipeline", spec), entry("wegent-operator", {"f:status": {"f:a": {}}}, "status")]
    there = [
        entry("wegent-operator", spec | label),
        entry("wegent-operator", {"f:status": {"f:b": {}}}, "status"),
        entry("somebody", label),
    ]
    found = given_back(kept, there)
    assert by_manager(found) == {
        ("pipeline", ""): spec,
        ("wegent-operator", "status"): {"f:status": {"f:a": {}, "f:b": {}}},
        ("wegent-operator", ""): own,
        ("somebody", ""): label,
    }
    assert by_manager(given_back(kept, found)) == by_manager(found), "a second try changes nothing"


def test_what_stays_away_has_no_owner() -> None:
    finalizers: dict[str, Any] = {".": {}, 'v:"example.com/x"': {}, f'v:"{TRASH_FINALIZER}"': {}}
    fields = {"f:metadata": {"f:ownerReferences": {"k": {}}, "f:finalizers": finalizers}}
    [found] = given_back([entry("x", fields)], [])
    held: dict[str, Any] = {".": {}, f'v:"{TRASH_FINALIZER}"': {}}
    assert found["fieldsV1"] == {"f:metadata": {"f:finalizers": held}}
