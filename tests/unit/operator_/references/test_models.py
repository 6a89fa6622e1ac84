"""A table of verdicts on the Models that Tasks, Teams and Bots name."""

from typing import Any

import pytest

from tests.unit.objects import BOT_SPEC, evaluate, state
from wegent_operator.state.cache import Cache
from wegent_operator.state.objects import ObjectState

GHOST = state("Ghost", "g", {"systemPrompt": "x"})
MODEL = state("Model", "m", {"provider": "openai"})
SHELL = state("Shell", "s", {"type": "Chat"})
BOT = state("Bot", "b", BOT_SPEC)
TEAM = state("Team", "t", {"bots": [{"name": "b"}]})
TASK = state("Task", "k", {"teamRef": {"name": "t"}})

UNBOUND_SPEC = {name: ref for name, ref in BOT_SPEC.items() if name != "modelRef"}
UNBOUND = state("Bot", "b", UNBOUND_SPEC)
ON_TASK: dict[str, Any] = {"modelRef": {"name": "m"}}
OPEN: dict[str, Any] = {"accessFrom": {"namespaceSelectors": [{}]}}
NOT_BOUND = (
    "spec.modelRef: {} has no Model; create another Task that names one here, or name one in the"
    " Bot or in its Team"
)
KEPT = (
    "{}: {} has its own Model, which an object in namespace ours can't replace; leave modelRef out"
)


def cache(*objects: ObjectState, shared: frozenset[str] = frozenset()) -> Cache:
    made = Cache(shared)
    for item in objects:
        made.put(item)
    return made


def parts_in(namespace: str) -> list[ObjectState]:
    """Return a Ghost, a Model and a Shell."""
    return [
        state(kind, kind[0].lower(), namespace=namespace) for kind in ("Ghost", "Model", "Shell")
    ]


def task_of(**spec: Any) -> ObjectState:
    return state("Task", "k", {"teamRef": {"name": "t"}, **spec})


def team_with(model: str, name: str = "t") -> ObjectState:
    return state("Team", name, {"bots": [{"name": "b", "modelRef": {"name": model}}]})


def test_a_bot_and_a_team_without_a_model_are_ready() -> None:
    view = cache(UNBOUND, TEAM, GHOST, SHELL)
    for it in (UNBOUND, TEAM):
        assert evaluate(it, view).ready.status


def bound(evaluated: ObjectState, view: Cache) -> tuple[bool, str, str] | None:
    outcome = evaluate(evaluated, view).model_bound
    return None if outcome is None else (outcome.status, outcome.reason, outcome.message)


def test_a_bot_and_a_team_without_a_model_say_who_must_name_it() -> None:
    view = cache(UNBOUND, TEAM, GHOST, SHELL, MODEL)
    assert bound(UNBOUND, view) == (
        False,
        "ModelNotBound",
        "spec.modelRef: no Model is named; a Team or Task that uses this Bot must name one",
    )
    assert bound(TEAM, view) == (
        False,
        "ModelNotBound",
        "spec.bots[0].modelRef: Bot default/b has no Model; a Task of this Team must name one",
    )
    assert bound(TASK, view) is None, "its Ready says so"
    assert bound(team_with("m"), view) is None
    view.put(state("Bot", "b", BOT_SPEC))
    assert bound(TEAM, view) is None


def test_nothing_is_said_of_the_model_of_a_bot_that_may_not_be_used() -> None:
    member = {"name": "b", "namespace": "theirs"}
    team = state("Team", "t", {"bots": [member]}, namespace="ours")
    theirs = state("Bot", "b", UNBOUND_SPEC, namespace="theirs")
    assert bound(team, cache(team, theirs, *parts_in("theirs"))) is None


@pytest.mark.parametrize("spec", [{"teamRef": {"name": "t"}}, {"botRef": {"name": "b"}}])
def test_a_task_is_told_of_a_bot_without_a_model(spec: dict[str, Any]) -> None:
    view = cache(UNBOUND, TEAM, GHOST, SHELL, MODEL)
    verdict = evaluate(state("Task", "k", spec), view)
    assert verdict.resolved_refs.status
    assert (verdict.ready.reason, verdict.stalled) == ("ModelNotBound", None)
    assert verdict.ready.message == NOT_BOUND.format("Bot default/b")
    assert evaluate(state("Task", "k", spec | ON_TASK), view).ready.status
    view.put(state("Bot", "b", BOT_SPEC))
    assert evaluate(state("Task", "k", spec), view).ready.status


def test_a_team_may_name_the_model_of_a_member() -> None:
    view = cache(UNBOUND, team_with("m"), GHOST, SHELL, MODEL)
    assert evaluate(TASK, view).ready.status


def test_each_bot_without_a_model_is_told_once() -> None:
    bots = [state("Bot", name, UNBOUND_SPEC) for name in ("a", "b")]
    team = state("Team", "t", {"bots": [{"name": "a"}, {"name": "b"}]})
    told = evaluate(TASK, cache(team, *bots, GHOST, SHELL)).ready.message
    assert told == f"{NOT_BOUND.format('Bot default/a')}; {NOT_BOUND.format('Bot default/b')}"


def test_the_bot_without_a_model_of_a_team_elsewhere_is_not_named() -> None:
    spec = {"bots": [{"name": "a"}, {"name": "b"}], **OPEN}
    bots = [state("Bot", name, UNBOUND_SPEC, namespace="theirs") for name in ("a", "b")]
    team = state("Team", "t", spec, namespace="theirs")
    task = state("Task", "k", {"teamRef": {"name": "t", "namespace": "theirs"}}, namespace="ours")
    ready = evaluate(task, cache(team, *bots, *parts_in("theirs"))).ready
    assert ready.reason == "ModelNotBound"
    assert ready.message == NOT_BOUND.format("a Bot of Team theirs/t"), "both Bots, once"


def test_a_model_that_a_team_or_task_names_must_exist() -> None:
    team = team_with("gone")
    view = cache(UNBOUND, team, GHOST, SHELL)
    assert evaluate(team, view).ready.message == (
        "spec.bots[0].modelRef: Model default/gone does not exist; create it or change the"
        " reference"
    )
    task = task_of(modelRef={"name": "gone"})
    assert evaluate(task, cache(task, TEAM, UNBOUND, GHOST, SHELL)).ready.message == (
        "spec.modelRef: Model default/gone does not exist; create it or change the reference"
    )


def test_a_model_of_another_namespace_must_allow_the_task() -> None:
    task = task_of(modelRef={"name": "m", "namespace": "theirs"})
    view = cache(task, TEAM, UNBOUND, GHOST, SHELL)
    view.put(state("Model", "m", {"provider": "openai"}, namespace="theirs"))
    assert evaluate(task, view).ready.reason == "RefNotPermitted"
    view.put(state("Model", "m", {"provider": "openai", **OPEN}, namespace="theirs"))
    assert evaluate(task, view).ready.status


def test_two_members_may_call_one_model() -> None:
    bots = [{"name": name, "modelRef": {"name": "m"}} for name in ("a", "b")]
    team = state("Team", "t", {"bots": bots})
    parts = [state("Bot", name, UNBOUND_SPEC) for name in ("a", "b")]
    assert evaluate(team, cache(team, *parts, GHOST, SHELL, MODEL)).ready.status


def test_the_object_that_names_the_model_is_told_of_its_provider() -> None:
    shell = state("Shell", "s", {"supportedProviders": ["openai"]})
    other = state("Model", "other", {"provider": "anthropic"})
    has = (
        "Model default/other in {0} has the provider anthropic, which the Shell of Bot default/b"
        " does not support; choose another Model or Bot"
    )
    view = cache(BOT, team_with("other"), GHOST, MODEL, other, shell)
    team = evaluate(team_with("other"), view).ready
    assert (team.reason, team.message) == (
        "ProviderNotSupported",
        f"spec.bots[0].modelRef: {has.format('spec.bots[0].modelRef')}",
    )
    assert evaluate(BOT, view).ready.status
    through, bots = evaluate(TASK, view).ready, "spec.bots[0].modelRef"
    assert (through.reason, through.message) == (
        "RefNotReady",
        f"{has.format(bots)} (in {bots} of Team default/t, through spec.teamRef)",
    )
    view = cache(BOT, TEAM, GHOST, MODEL, other, shell)
    task = evaluate(task_of(modelRef={"name": "other"}), view).ready
    assert (task.reason, task.message) == (
        "ProviderNotSupported",
        f"spec.modelRef: {has.format('spec.modelRef')}",
    )
    assert evaluate(task_of(**ON_TASK), view).ready.status


def test_a_fallback_of_the_tasks_model_must_be_supported_too() -> None:
    shell = state("Shell", "s", {"supportedProviders": ["openai"]})
    model = state("Model", "main", {"provider": "openai", "fallbackRefs": [{"name": "other"}]})
    other = state("Model", "other", {"provider": "google"})
    view = cache(UNBOUND, TEAM, GHOST, model, other, shell)
    assert evaluate(task_of(modelRef={"name": "main"}), view).ready.message.startswith(
        "spec.modelRef: Model default/other, a fallback of Model default/main in spec.modelRef,"
        " has the provider google"
    )


@pytest.mark.parametrize(
    ("bot", "team", "reason", "told"),
    [
        (UNBOUND_SPEC, {}, "Ready", ""),
        (BOT_SPEC, {}, "ModelNotReplaceable", "a Bot of Team theirs/t"),
        (UNBOUND_SPEC, ON_TASK, "ModelNotReplaceable", "Team theirs/t"),
    ],
)
def test_a_task_does_not_replace_the_model_of_an_object_elsewhere(
    bot: dict[str, Any], team: dict[str, Any], reason: str, told: str
) -> None:
    there = [
        state("Team", "t", {"bots": [{"name": "b", **team}], **OPEN}, namespace="theirs"),
        state("Bot", "b", bot, namespace="theirs"),
        *parts_in("theirs"),
    ]
    spec = {"teamRef": {"name": "t", "namespace": "theirs"}, **ON_TASK}
    task, mine = state("Task", "k", spec, namespace="ours"), state("Model", "m", namespace="ours")
    ready = evaluate(task, cache(task, mine, *there)).ready
    assert (ready.reason, ready.message) == (
        reason,
        told and KEPT.format("spec.modelRef", told),
    )
    shared = evaluate(task, cache(task, mine, *there, shared=frozenset({"theirs"}))).ready
    assert shared.reason == reason, "users may have no right to read a shared namespace"


@pytest.mark.parametrize(
    ("bot", "reason"), [(BOT_SPEC, "ModelNotReplaceable"), (UNBOUND_SPEC, "Ready")]
)
def test_a_team_does_not_replace_the_model_of_a_bot_elsewhere(
    bot: dict[str, Any], reason: str
) -> None:
    member = {"name": "b", "namespace": "theirs", "modelRef": {"name": "m"}}
    team = state("Team", "t", {"bots": [member]}, namespace="ours")
    mine = state("Model", "m", namespace="ours")
    theirs = state("Bot", "b", bot | OPEN, namespace="theirs")
    there = [theirs, *parts_in("theirs")]
    ready = evaluate(team, cache(team, mine, *there)).ready
    assert ready.reason == reason
    shared = evaluate(team, cache(team, mine, *there, shared=frozenset({"theirs"}))).ready
    assert shared == ready
    if reason != "Ready":
        assert ready.message == KEPT.format("spec.bots[0].modelRef", "Bot theirs/b")


def test_a_change_of_the_bots_model_reaches_the_task() -> None:
    view = cache(TASK, TEAM, UNBOUND, GHOST, SHELL, MODEL)
    view.clear_dirty()
    view.put(state("Bot", "b", BOT_SPEC))
    assert view.pop_dependents(BOT.key) == {TEAM.key}
    assert view.pop_dependents(TEAM.key) == {TASK.key}
