"""Verdicts as a table: what is there, and what the conditions then say."""

from typing import Any

import pytest

from tests.unit.objects import BOT_SPEC, facts
from wegent_operator.facts import Facts
from wegent_operator.store import Store
from wegent_operator.verdict import MAX_PROBLEMS, judge

GHOST = facts("Ghost", "g", {"systemPrompt": "x"})
MODEL = facts("Model", "m", {"provider": "openai"})
SHELL = facts("Shell", "s", {"type": "Chat"})
BOT = facts("Bot", "b", BOT_SPEC)
TEAM = facts("Team", "t", {"bots": [{"name": "b"}]})
TASK = facts("Task", "k", {"teamRef": {"name": "t"}})


def selector(**labels: str) -> dict[str, Any]:
    return {"namespaceSelectors": [{"matchLabels": labels}]}


def store(*objects: Facts, shared: frozenset[str] = frozenset()) -> Store:
    made = Store(shared)
    for item in objects:
        made.put(item)
    return made


@pytest.mark.parametrize(
    ("judged", "there", "resolved", "ready", "message"),
    [
        pytest.param(GHOST, [], "ResolvedRefs", "Ready", "", id="no references"),
        pytest.param(
            BOT,
            [MODEL, SHELL],
            "RefNotFound",
            "RefNotFound",
            "spec.ghostRef: Ghost default/g does not exist; create it or change the reference",
            id="one is missing",
        ),
        pytest.param(BOT, [GHOST, MODEL, SHELL], "ResolvedRefs", "Ready", "", id="all there"),
        pytest.param(
            BOT,
            [GHOST, MODEL, facts("Shell", "s", {"supportedProviders": ["anthropic", "google"]})],
            "ResolvedRefs",
            "ProviderNotSupported",
            "spec.shellRef: Shell default/s takes the providers anthropic, google, and "
            "Model default/m of spec.modelRef has openai; choose another Model or Shell",
            id="the shell does not take the model's provider",
        ),
        pytest.param(
            BOT,
            [GHOST, MODEL, facts("Shell", "s", {"supportedProviders": ["openai"]})],
            "ResolvedRefs",
            "Ready",
            "",
            id="the shell takes the model's provider",
        ),
        pytest.param(
            TEAM,
            [BOT, MODEL, SHELL],
            "ResolvedRefs",
            "RefNotReady",
            "spec.bots[0]: Bot default/b is not ready; see its conditions",
            id="a bot of the team is not ready",
        ),
        pytest.param(
            TASK,
            [TEAM, BOT, MODEL, SHELL],
            "ResolvedRefs",
            "RefNotReady",
            "spec.teamRef: Team default/t is not ready; see its conditions",
            id="through the whole chain",
        ),
        pytest.param(
            TASK, [TEAM, BOT, GHOST, MODEL, SHELL], "ResolvedRefs", "Ready", "", id="a whole chain"
        ),
        pytest.param(
            facts("Ghost", "g", {"skillRefs": [{"name": "a"}, {"name": "b"}]}),
            [facts("Skill", "a")],
            "RefNotFound",
            "RefNotFound",
            "spec.skillRefs[1]: Skill default/b does not exist; create it or change the reference",
            id="the item of a list is named",
        ),
    ],
)
def test_the_verdict(
    judged: Facts, there: list[Facts], resolved: str, ready: str, message: str
) -> None:
    verdict = judge(judged, store(judged, *there))
    assert (verdict.resolved_refs.reason, verdict.ready.reason) == (resolved, ready)
    assert verdict.ready.message == message
    assert verdict.ready.status is (ready == "Ready")
    assert verdict.resolved_refs.status is (resolved == "ResolvedRefs")


ABROAD = facts("Team", "t", {"bots": [{"name": "b", "namespace": "theirs"}]}, namespace="ours")


def their_bot(access: dict[str, Any] | None) -> list[Facts]:
    return [
        facts(
            "Bot", "b", BOT_SPEC | ({"accessFrom": access} if access else {}), namespace="theirs"
        ),
        facts("Ghost", "g", namespace="theirs"),
        facts("Model", "m", {"provider": "openai"}, namespace="theirs"),
        facts("Shell", "s", namespace="theirs"),
    ]


@pytest.mark.parametrize(
    ("access", "labels", "shared", "reason"),
    [
        pytest.param(None, {}, frozenset(), "RefNotPermitted", id="no grant"),
        pytest.param(selector(team="a"), {"team": "b"}, frozenset(), "RefNotPermitted", id="other"),
        pytest.param(selector(team="a"), {"team": "a"}, frozenset(), "Ready", id="granted"),
        pytest.param({"namespaceSelectors": []}, {}, frozenset(), "RefNotPermitted", id="nobody"),
        pytest.param({"namespaceSelectors": [{}]}, {}, frozenset(), "Ready", id="everybody"),
        pytest.param(None, {}, frozenset({"theirs"}), "Ready", id="a shared namespace"),
    ],
)
def test_a_reference_abroad_needs_a_grant(
    access: dict[str, Any] | None, labels: dict[str, str], shared: frozenset[str], reason: str
) -> None:
    view = store(ABROAD, *their_bot(access), shared=shared)
    view.put_namespace("ours", labels)
    assert judge(ABROAD, view).ready.reason == reason


def test_without_a_grant_nothing_is_learnt_of_what_is_there() -> None:
    there, missing = store(ABROAD, *their_bot(None)), store(ABROAD)
    assert judge(ABROAD, there) == judge(ABROAD, missing)


def test_a_missing_object_in_a_shared_namespace_is_said_to_be_missing() -> None:
    verdict = judge(ABROAD, store(ABROAD, shared=frozenset({"theirs"})))
    assert verdict.ready.reason == "RefNotFound"


@pytest.mark.parametrize("there", [[], [TEAM, BOT, GHOST, MODEL, SHELL]])
def test_a_task_is_accepted_whether_it_can_begin_or_not(there: list[Facts]) -> None:
    accepted = judge(TASK, store(TASK, *there)).accepted
    assert accepted is not None
    assert (accepted.status, accepted.reason) == (True, "Accepted")


def test_a_cancelled_task_is_neither_accepted_nor_ready() -> None:
    task = facts("Task", "k", {"teamRef": {"name": "t"}, "cancel": True})
    verdict = judge(task, store(task, TEAM, BOT, GHOST, MODEL, SHELL))
    assert verdict.accepted is not None
    for outcome in (verdict.accepted, verdict.ready):
        assert (outcome.status, outcome.reason) == (False, "Cancelled")
        assert outcome.message == "spec.cancel: the Task was cancelled before it began"
    assert verdict.resolved_refs.status


def test_only_tasks_are_accepted() -> None:
    assert judge(GHOST, store(GHOST)).accepted is None


def test_a_message_spells_out_only_so_many_problems() -> None:
    team = facts("Team", "t", {"bots": [{"name": f"bot-{n}"} for n in range(64)]})
    message = judge(team, store(team)).ready.message
    assert message.count("does not exist") == MAX_PROBLEMS
    assert message.endswith(f"; and {64 - MAX_PROBLEMS} more")
