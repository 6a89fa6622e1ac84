"""The conditions for writing a status, and the patch's content."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.objects import BOT_SPEC, evaluate, state
from wegent_crds.conditions import ConditionType, Reason, find_condition
from wegent_crds.schema.status import MESSAGE_MAX_CHARACTERS, Condition
from wegent_operator.state.cache import Cache
from wegent_operator.state.conditions import status_patch, with_verdict
from wegent_operator.state.objects import ObjectState
from wegent_operator.state.verdict import Outcome, Problem, verdict_of

EARLIER, NOW = "2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z"
FOREIGN = {
    "type": "Audited",
    "status": "True",
    "reason": "ByPlatform",
    "message": "",
    "lastTransitionTime": EARLIER,
}


def bot(conditions: list[dict[str, Any]], observed: int | None = None) -> ObjectState:
    status: dict[str, Any] = {"conditions": conditions}
    if observed is not None:
        status["observedGeneration"] = observed
    return state("Bot", "b", BOT_SPEC, status=status)


def missing(item: ObjectState, now: str = NOW) -> ObjectState:
    """The state of a Bot whose references are all missing, with that verdict."""
    return with_verdict(item, evaluate(item, Cache()), now)


def test_a_verdict_that_stands_changes_nothing() -> None:
    settled = missing(bot([FOREIGN]), EARLIER)
    assert with_verdict(settled, evaluate(settled, Cache()), NOW) == settled


def test_foreign_conditions_stay() -> None:
    types = [
        condition["type"]
        for condition in status_patch(missing(bot([FOREIGN])))["status"]["conditions"]
    ]
    assert types == ["Audited", "Ready", "ResolvedRefs"]


def test_the_patch_is_guarded_by_the_version_that_was_evaluated() -> None:
    item = bot([])
    assert status_patch(missing(item))["metadata"] == {"resourceVersion": str(item.version)}


def test_the_transition_time_moves_only_with_the_status() -> None:
    settled = missing(bot([]), EARLIER)
    cache = Cache()
    cache.put(state("Ghost", "g"))
    better = with_verdict(settled, evaluate(settled, cache), NOW)
    assert better != settled, "the message now names two missing references, not three"
    assert {condition.last_transition_time for condition in better.conditions} == {EARLIER}
    cache.put(state("Model", "m"))
    cache.put(state("Shell", "s"))
    best = with_verdict(better, evaluate(better, cache), NOW)
    assert {condition.last_transition_time for condition in best.conditions} == {NOW}


def test_a_new_generation_is_observed_though_the_verdict_stands() -> None:
    item = state("Ghost", "g", metadata={"generation": 2}, status={"observedGeneration": 1})
    written = status_patch(with_verdict(item, evaluate(item, Cache()), NOW))["status"]
    assert written["observedGeneration"] == 2
    assert {condition["observedGeneration"] for condition in written["conditions"]} == {2}


@pytest.mark.parametrize("character", ["x", "\u8bf4", "\U0001f600"])
def test_a_message_is_cut_by_what_the_schema_counts(character: str) -> None:
    def said(length: int) -> str:
        problem = Problem(Reason.NOT_PROVISIONED, character * length)
        ready = find_condition(
            with_verdict(bot([]), verdict_of([], [problem]), NOW).conditions, "Ready"
        )
        assert ready
        Condition.model_validate(ready.to_json())
        return ready.message

    assert said(MESSAGE_MAX_CHARACTERS) == character * MESSAGE_MAX_CHARACTERS
    cut = said(MESSAGE_MAX_CHARACTERS + 1)
    assert len(cut) == MESSAGE_MAX_CHARACTERS
    assert cut.endswith(f"{character} ... (cut)")


def test_only_what_its_own_edit_mends_is_stalled() -> None:
    astray = verdict_of([], [Problem(Reason.WRONG_NAMESPACE, "create it there")])
    item = with_verdict(bot([]), astray, EARLIER)
    stalled = find_condition(item.conditions, ConditionType.STALLED)
    assert stalled
    assert (stalled.status, stalled.message) == ("True", "create it there")
    for verdict in (verdict_of([], []), evaluate(item, Cache())):
        assert not find_condition(
            with_verdict(item, verdict, NOW).conditions, ConditionType.STALLED
        )


def test_the_note_on_the_last_admin_goes_with_the_role() -> None:
    outcome = Outcome(
        ConditionType.LAST_ADMIN, status=True, reason=Reason.LAST_ADMIN, message="the only one"
    )
    admin = state("Account", "ann")
    noted = with_verdict(admin, replace(verdict_of([], []), last_admin=outcome), NOW)
    assert find_condition(noted.conditions, ConditionType.LAST_ADMIN)
    assert not find_condition(
        with_verdict(noted, verdict_of([], []), NOW).conditions, ConditionType.LAST_ADMIN
    )
