"""When a status is written, and what the patch says."""

from typing import Any

from tests.unit.objects import BOT_SPEC, facts
from wegent_operator.facts import Facts
from wegent_operator.status import status_patch, with_verdict
from wegent_operator.store import Store
from wegent_operator.verdict import judge

EARLIER, NOW = "2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z"
FOREIGN = {
    "type": "Audited",
    "status": "True",
    "reason": "ByPlatform",
    "message": "",
    "lastTransitionTime": EARLIER,
}


def bot(conditions: list[dict[str, Any]], observed: int | None = None) -> Facts:
    status: dict[str, Any] = {"conditions": conditions}
    if observed is not None:
        status["observedGeneration"] = observed
    return facts("Bot", "b", BOT_SPEC, status=status)


def missing(item: Facts, now: str = NOW) -> Facts:
    """The facts of a Bot whose references are all missing, with that verdict."""
    return with_verdict(item, judge(item, Store()), now)


def test_a_verdict_that_stands_changes_nothing() -> None:
    settled = missing(bot([FOREIGN]), EARLIER)
    assert with_verdict(settled, judge(settled, Store()), NOW) == settled


def test_foreign_conditions_stay() -> None:
    types = [
        condition["type"]
        for condition in status_patch(missing(bot([FOREIGN])))["status"]["conditions"]
    ]
    assert types == ["Audited", "Ready", "ResolvedRefs"]


def test_the_patch_is_guarded_by_the_version_that_was_judged() -> None:
    item = bot([])
    assert status_patch(missing(item))["metadata"] == {"resourceVersion": str(item.version)}


def test_the_transition_time_moves_only_with_the_status() -> None:
    settled = missing(bot([]), EARLIER)
    store = Store()
    store.put(facts("Ghost", "g"))
    better = with_verdict(settled, judge(settled, store), NOW)
    assert better != settled, "the message now names two missing references, not three"
    assert {condition.last_transition_time for condition in better.conditions} == {EARLIER}
    store.put(facts("Model", "m"))
    store.put(facts("Shell", "s"))
    best = with_verdict(better, judge(better, store), NOW)
    assert {condition.last_transition_time for condition in best.conditions} == {NOW}


def test_a_new_generation_is_observed_though_the_verdict_stands() -> None:
    item = facts("Ghost", "g", metadata={"generation": 2}, status={"observedGeneration": 1})
    written = status_patch(with_verdict(item, judge(item, Store()), NOW))["status"]
    assert written["observedGeneration"] == 2
    assert {condition["observedGeneration"] for condition in written["conditions"]} == {2}
