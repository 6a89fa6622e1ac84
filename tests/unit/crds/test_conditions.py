"""Conditions as they are read from objects, also from objects that no schema has checked."""

from typing import Any

import pytest

from wegent_api.accounts.store import Account
from wegent_api.kinds.relations import resolved_refs
from wegent_crds.conditions import conditions_of, find_condition


def with_status(status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "a", "uid": "u", "generation": 2}, "status": status}


def test_a_condition_is_found_by_its_type_and_written_as_it_was() -> None:
    stored = {
        "type": "Ready",
        "status": "False",
        "reason": "RefNotFound",
        "message": "spec.ghostRef",
        "lastTransitionTime": "2026-01-31T12:00:00Z",
        "observedGeneration": 2,
    }
    conditions = conditions_of(with_status({"conditions": [{"type": "ResolvedRefs"}, stored]}))
    ready = find_condition(conditions, "Ready")
    assert ready is not None
    assert ready.to_json() == stored
    assert (ready.is_true, ready.is_false) == (False, True)
    unknown = find_condition(conditions, "ResolvedRefs")
    assert unknown is not None
    assert (unknown.status, unknown.is_true, unknown.is_false) == ("Unknown", False, False)
    assert find_condition(conditions, "Accepted") is None


@pytest.mark.parametrize(
    "status", [None, [], {"conditions": None}, {"conditions": [None, 5, {}, {"type": 5}]}]
)
def test_what_is_no_condition_is_left_out(status: Any) -> None:
    body = with_status(status)
    assert conditions_of(body) == ()
    assert resolved_refs(body) is None
    assert Account.of(body | {"spec": {"email": "a@example.com", "role": "user"}}).unready == ""


def test_the_proxy_reads_a_condition_without_its_required_fields() -> None:
    body = with_status({"conditions": [{"type": "ResolvedRefs", "observedGeneration": 1}]})
    resolved = resolved_refs(body)
    assert resolved is not None
    assert (resolved.status, resolved.current) == ("Unknown", False)
