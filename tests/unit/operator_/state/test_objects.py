"""An unreadable object never ends the operator, and isn't treated as deleted."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import pytest
import yaml

from devcluster.checkout import CHECKOUT
from tests.unit.objects import body, evaluate
from wegent_crds.references import ObjectKey
from wegent_crds.registry import BY_KIND, KINDS, Kind
from wegent_crds.selectors import selectors_of
from wegent_operator.accounts.plan import plan
from wegent_operator.accounts.provisions import Provisions
from wegent_operator.keys.grants import KeyGrants
from wegent_operator.state.cache import Cache
from wegent_operator.state.objects import (
    AccountState,
    Membership,
    TaskState,
    TombstoneState,
    state_of,
)
from wegent_operator.tasks.deadlines import Seen, next_step
from wegent_operator.watch.feed import Feed

NO_DAY = "2026-02-30T00:00:00Z"
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def tombstone(**spec: Any) -> dict[str, Any]:
    held = {"kind": "Ghost", "name": "g", "object": {}, "deletedAt": NO_DAY, "expiresAt": NO_DAY}
    return body("Tombstone", "t", held | spec)


def feed() -> Feed:
    return Feed(
        Cache(), Provisions("wegent-accounts"), Mock(), Mock(), "wegent-accounts", KeyGrants()
    )


@pytest.mark.parametrize("text", [NO_DAY, "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", 5])
def test_a_tombstone_that_names_no_time_never_expires(text: Any) -> None:
    found = state_of(BY_KIND["Tombstone"], tombstone(expiresAt=text))
    assert isinstance(found, TombstoneState)
    assert found.spec.expires_at is None


def test_a_time_without_a_zone_is_utc() -> None:
    found = state_of(BY_KIND["Tombstone"], tombstone(expiresAt="2026-01-01T00:00:00"))
    assert isinstance(found, TombstoneState)
    assert found.spec.expires_at is not None
    assert found.spec.expires_at.utcoffset() is not None


@pytest.mark.parametrize("field", ["startTime", "completionTime"])
def test_a_task_whose_times_are_none(field: str) -> None:
    status = {"phase": "Pending", field: NO_DAY}
    found = state_of(BY_KIND["Task"], body("Task", "t", {"prompt": "x"}, status=status))
    assert isinstance(found, TaskState)
    assert (found.progress.started_at, found.progress.ended_at) == (None, None)


JUNK: tuple[Any, ...] = (None, True, 7, -(2**63), 1.5, "text", NO_DAY, [], {}, [None], [[]], ["x"])
"""Values that replace any value; lists and mappings are made of them, too."""


def values() -> Iterator[Any]:
    yield from JUNK
    for value in JUNK:
        for name in ("name", "type"):
            yield {name: value}
            yield [{name: value}]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_an_object_with_any_spec_and_status_is_kept_and_evaluated(kind: Kind) -> None:
    """An object missing in the cache counts as deleted: its finalizer stays, its access ends."""
    properties = kind_properties(kind)
    for value in values():
        bodies = [{"spec": value}, {"status": value}]
        bodies += [{"spec": {name: value}} for name in properties["spec"]]
        bodies += [{"status": {name: value}} for name in properties["status"]]
        for odd in bodies:
            it = feed()
            assert it.upsert(kind, body(kind.kind, "odd") | odd), odd
            found = it.cache.get(ObjectKey(kind.plural, "default", "odd"))
            assert found is not None
            hash(found)
            if kind.user_facing:
                evaluate(found, it.cache)
            if isinstance(found, TaskState):
                next_step(found.progress, Seen(NOW, NOW, NOW, NOW))
            if isinstance(found, AccountState):
                plan(found, "default", lambda _: None, {})


def kind_properties(kind: Kind) -> dict[str, list[str]]:
    crd = yaml.safe_load((CHECKOUT / "crds" / f"{kind.singular}.yaml").read_text())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    return {part: list(schema[part]["properties"]) for part in ("spec", "status")}


@pytest.mark.parametrize(
    "selector",
    [
        None,
        "text",
        {"matchLabels": "text"},
        {"matchLabels": {"team": None}},
        {"matchExpressions": {}},
        {"matchExpressions": "text"},
        {"matchExpressions": [None]},
        {"matchExpressions": [{}]},
        {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": "text"}]},
        {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": [5]}]},
        {"matchExpressions": [{"key": 5, "operator": "DoesNotExist"}]},
        {"matchExpressions": [{"key": "team", "operator": None}]},
    ],
)
def test_a_selector_that_cannot_be_read_lets_nobody_in(selector: Any) -> None:
    [found] = selectors_of([selector])
    assert not found.matches({"team": "a"})
    assert not found.matches({})


def test_an_account_that_can_only_be_read_in_part_keeps_the_rest_of_its_access() -> None:
    spec = {"role": "root", "namespaces": [None, {"name": "a"}, {"name": "b", "role": "editor"}]}
    found = state_of(BY_KIND["Account"], body("Account", "u", spec, namespace="wegent-accounts"))
    assert isinstance(found, AccountState)
    assert found.spec.role == "user"
    assert found.spec.memberships == (Membership("b", "editor"),)


def test_a_task_in_a_phase_that_is_not_known_is_left_alone() -> None:
    status = {"phase": "Paused", "startTime": "2026-01-01T00:00:00Z"}
    spec = {"prompt": "x", "timeoutSeconds": 1, "cancel": True}
    found = state_of(BY_KIND["Task"], body("Task", "t", spec, status=status))
    assert isinstance(found, TaskState)
    assert found.has_run
    assert next_step(found.progress, Seen(NOW, NOW, NOW, NOW)) is None


@pytest.mark.parametrize("odd", [{"metadata": None}, {"metadata": {"name": "x"}}, {}])
def test_what_is_no_object_is_left_out_and_the_rest_is_there(odd: dict[str, Any]) -> None:
    it = feed()
    assert not it.upsert(BY_KIND["Ghost"], odd)
    assert it.upsert(BY_KIND["Ghost"], body("Ghost", "next"))
    assert len(it.cache) == 1
