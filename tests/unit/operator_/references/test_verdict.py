"""A table of verdicts: the existing objects, and the resulting conditions."""

from typing import Any

import pytest

from tests.unit.objects import BOT_SPEC, evaluate, state
from wegent_operator.state.cache import Cache
from wegent_operator.state.objects import ObjectState
from wegent_operator.state.verdict import MAX_PROBLEMS

GHOST = state("Ghost", "g", {"systemPrompt": "x"})
MODEL = state("Model", "m", {"provider": "openai"})
SHELL = state("Shell", "s", {"type": "Chat"})
BOT = state("Bot", "b", BOT_SPEC)
TEAM = state("Team", "t", {"bots": [{"name": "b"}]})
SKILL = state("Skill", "k")
TASK = state("Task", "k", {"teamRef": {"name": "t"}})

MISSING = "Ghost default/g does not exist; create it or change the reference"
NO_GHOST = f"spec.ghostRef: {MISSING}"


def selector(**labels: str) -> dict[str, Any]:
    return {"namespaceSelectors": [{"matchLabels": labels}]}


def cache(
    *objects: ObjectState,
    shared: frozenset[str] = frozenset(),
    served: frozenset[str] = frozenset({"Chat"}),
    modes: frozenset[str] = frozenset({"solo"}),
) -> Cache:
    made = Cache(shared, served, modes)
    for item in objects:
        made.put(item)
    return made


@pytest.mark.parametrize(
    ("evaluated", "there", "resolved", "ready", "message"),
    [
        pytest.param(GHOST, [], "ResolvedRefs", "Ready", "", id="no references"),
        pytest.param(
            BOT,
            [MODEL, SHELL],
            "RefNotFound",
            "RefNotFound",
            NO_GHOST,
            id="one is missing",
        ),
        pytest.param(BOT, [GHOST, MODEL, SHELL], "ResolvedRefs", "Ready", "", id="all there"),
        pytest.param(
            BOT,
            [GHOST, MODEL, state("Shell", "s", {"supportedProviders": ["anthropic", "google"]})],
            "ResolvedRefs",
            "ProviderNotSupported",
            "spec.shellRef: Shell default/s supports the providers anthropic, google, but "
            "Model default/m in spec.modelRef has the provider openai; choose another Model or "
            "Shell",
            id="the shell does not take the model's provider",
        ),
        pytest.param(
            BOT,
            [GHOST, MODEL, state("Shell", "s", {"supportedProviders": ["openai"]})],
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
            MISSING + " (in spec.ghostRef of Bot default/b, through spec.bots[0])",
            id="a bot of the team is not ready",
        ),
        pytest.param(
            TASK,
            [TEAM, BOT, MODEL, SHELL],
            "ResolvedRefs",
            "RefNotReady",
            MISSING + " (in spec.ghostRef of Bot default/b, through spec.bots[0] of Team default/t,"
            " spec.teamRef)",
            id="through the whole chain",
        ),
        pytest.param(
            TASK, [TEAM, BOT, GHOST, MODEL, SHELL], "ResolvedRefs", "Ready", "", id="a whole chain"
        ),
        pytest.param(
            state("Ghost", "g", {"skillRefs": [{"name": "a"}, {"name": "b"}]}),
            [state("Skill", "a")],
            "RefNotFound",
            "RefNotFound",
            "spec.skillRefs[1]: Skill default/b does not exist; create it or change the reference",
            id="the item of a list is named",
        ),
    ],
)
def test_the_verdict(
    evaluated: ObjectState, there: list[ObjectState], resolved: str, ready: str, message: str
) -> None:
    verdict = evaluate(evaluated, cache(evaluated, *there))
    assert (verdict.resolved_refs.reason, verdict.ready.reason) == (resolved, ready)
    assert verdict.ready.message == message
    assert verdict.ready.status is (ready == "Ready")
    assert verdict.resolved_refs.status is (resolved == "ResolvedRefs")


ABROAD = state("Team", "t", {"bots": [{"name": "b", "namespace": "theirs"}]}, namespace="ours")


def their_bot(access: dict[str, Any] | None) -> list[ObjectState]:
    return [
        state(
            "Bot", "b", BOT_SPEC | ({"accessFrom": access} if access else {}), namespace="theirs"
        ),
        state("Ghost", "g", namespace="theirs"),
        state("Model", "m", {"provider": "openai"}, namespace="theirs"),
        state("Shell", "s", namespace="theirs"),
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
    view = cache(ABROAD, *their_bot(access), shared=shared)
    view.put_namespace("ours", labels)
    assert evaluate(ABROAD, view).ready.reason == reason


def test_without_a_grant_nothing_is_learnt_of_what_is_there() -> None:
    there, missing = cache(ABROAD, *their_bot(None)), cache(ABROAD)
    assert evaluate(ABROAD, there) == evaluate(ABROAD, missing)


def test_a_missing_object_in_a_shared_namespace_is_said_to_be_missing() -> None:
    verdict = evaluate(ABROAD, cache(ABROAD, shared=frozenset({"theirs"})))
    assert verdict.ready.reason == "RefNotFound"


@pytest.mark.parametrize("there", [[], [TEAM, BOT, GHOST, MODEL, SHELL]])
def test_a_task_is_accepted_whether_it_can_begin_or_not(there: list[ObjectState]) -> None:
    accepted = evaluate(TASK, cache(TASK, *there)).accepted
    assert accepted is not None
    assert (accepted.status, accepted.reason) == (True, "Accepted")


def test_a_cancelled_task_is_neither_accepted_nor_ready() -> None:
    task = state("Task", "k", {"teamRef": {"name": "t"}, "cancel": True})
    verdict = evaluate(task, cache(task, TEAM, BOT, GHOST, MODEL, SHELL))
    assert verdict.accepted is not None
    for outcome in (verdict.accepted, verdict.ready):
        assert (outcome.status, outcome.reason) == (False, "Cancelled")
        assert outcome.message == "spec.cancel: the Task was cancelled before it was claimed"
    assert verdict.resolved_refs.status


def test_only_tasks_are_accepted() -> None:
    assert evaluate(GHOST, cache(GHOST)).accepted is None


@pytest.mark.parametrize(
    ("kind", "field", "item", "title"),
    [("Team", "bots", BOT, "Bot default/b"), ("Ghost", "skillRefs", SKILL, "Skill default/k")],
)
@pytest.mark.parametrize("namespaces", [("", "default"), ("default", "")])
def test_two_items_for_one_object_are_told(
    kind: str, field: str, item: ObjectState, title: str, namespaces: tuple[str, str]
) -> None:
    items = [{"name": item.key.name, "namespace": namespace} for namespace in namespaces]
    evaluated = state(kind, "x", {field: items})
    verdict = evaluate(evaluated, cache(evaluated, item, GHOST, MODEL, SHELL))
    assert verdict.resolved_refs.status
    assert (verdict.ready.status, verdict.ready.reason) == (False, "DuplicateRef")
    assert verdict.stalled
    assert verdict.ready.message == (
        f"spec.{field}[1]: duplicate reference to {title}, which is also at spec.{field}[0];"
        " remove one of the two"
    )


def test_a_name_in_two_namespaces_is_two_objects() -> None:
    items = [{"name": "b"}, {"name": "b", "namespace": "theirs"}]
    team = state("Team", "t", {"bots": items})
    bots = [BOT, GHOST, MODEL, SHELL, *their_bot(None)]
    assert evaluate(team, cache(team, *bots, shared=frozenset({"theirs"}))).ready.status


def test_a_task_names_the_duplicate_of_its_team() -> None:
    team = state("Team", "t", {"bots": [{"name": "b"}, {"name": "b", "namespace": "default"}]})
    ready = evaluate(TASK, cache(TASK, team, BOT, GHOST, MODEL, SHELL)).ready
    assert ready.reason == "RefNotReady"
    assert ready.message == (
        "duplicate reference to Bot default/b, which is also at spec.bots[0]; remove one of the two"
        " (in spec.bots[1] of Team default/t, through spec.teamRef)"
    )


def test_a_message_spells_out_only_so_many_problems() -> None:
    team = state("Team", "t", {"bots": [{"name": f"bot-{n}"} for n in range(64)]})
    message = evaluate(team, cache(team)).ready.message
    assert message.count("does not exist") == MAX_PROBLEMS
    assert message.endswith(f"; and {64 - MAX_PROBLEMS} more")


SKILLED = state("Ghost", "g", {"skillRefs": [{"name": "lint"}, {"name": "diff"}]})


def test_a_task_names_the_missing_skill_of_its_teams_bots_ghost() -> None:
    view = cache(TASK, TEAM, BOT, SKILLED, MODEL, SHELL, state("Skill", "lint"))
    assert evaluate(TASK, view).ready.message == (
        "Skill default/diff does not exist; create it or change the reference (in spec.skillRefs[1]"
        " of Ghost default/g, through spec.ghostRef of Bot default/b, spec.bots[0] of Team"
        " default/t, spec.teamRef)"
    )


def test_a_message_follows_the_root_cause() -> None:
    view = cache(TASK, TEAM, BOT, SKILLED, MODEL, SHELL, state("Skill", "lint"))
    view.put(state("Skill", "diff"))
    view.put(state("Shell", "s", {"supportedProviders": ["anthropic"]}))
    assert evaluate(TASK, view).ready.message == (
        "Shell default/s supports the providers anthropic, but Model default/m in spec.modelRef has"
        " the provider openai; choose another Model or Shell (in spec.shellRef of Bot default/b,"
        " through spec.bots[0] of Team default/t, spec.teamRef)"
    )


def team_of(*bots: str) -> ObjectState:
    return state("Team", "t", {"bots": [{"name": name} for name in bots]})


def test_one_root_cause_on_many_ways_leaves_room_for_others() -> None:
    names = [f"b{number}" for number in range(32)]
    bots = [state("Bot", name, BOT_SPEC) for name in names]
    odd = state("Bot", "odd", BOT_SPEC | {"modelRef": {"name": "gone"}})
    view = cache(TASK, team_of(*names, "odd"), *bots, odd, SHELL, MODEL)
    message = evaluate(TASK, view).ready.message
    assert message.count("Ghost default/g does not exist") == 1
    assert message.count("Model default/gone does not exist") == 1
    assert "more" not in message


def test_each_reference_of_the_object_itself_is_named_before_further_causes() -> None:
    names = [f"b{number}" for number in range(MAX_PROBLEMS)]
    team = team_of(*names)
    message = evaluate(team, cache(team, *(state("Bot", name, BOT_SPEC) for name in names)))
    assert [name for name in names if f"of Bot default/{name}, " not in str(message)] == []
    assert message.ready.message.endswith("; and 2 more"), "Model and Shell are missing too"


def test_a_message_says_nothing_of_what_an_object_elsewhere_refers_to() -> None:
    bot = state(
        "Bot", "b", BOT_SPEC | {"accessFrom": {"namespaceSelectors": [{}]}}, namespace="theirs"
    )
    task = state("Task", "k", {"teamRef": {"name": "t"}}, namespace="ours")
    view = cache(task, ABROAD, bot)
    hidden = "Bot theirs/b is not ready (RefNotFound); see its conditions in namespace theirs"
    assert evaluate(ABROAD, view).ready.message == f"spec.bots[0]: {hidden}"
    assert evaluate(task, view).ready.message == (
        f"{hidden} (in spec.bots[0] of Team ours/t, through spec.teamRef)"
    )


def test_the_chain_goes_on_in_a_shared_namespace_and_ends_beyond_it() -> None:
    team = state("Team", "t", {"bots": [{"name": "b"}]}, namespace="shared")
    ghost = {"ghostRef": {"name": "g", "namespace": "theirs"}}
    bot = state("Bot", "b", BOT_SPEC | ghost, namespace="shared")
    task = state("Task", "k", {"teamRef": {"name": "t", "namespace": "shared"}}, namespace="ours")
    secret = state(
        "Ghost",
        "g",
        {"skillRefs": [{"name": "x"}], "accessFrom": {"namespaceSelectors": [{}]}},
        namespace="theirs",
    )
    needed = [
        state(kind, name, namespace="shared") for kind, name in (("Model", "m"), ("Shell", "s"))
    ]
    view = cache(task, team, bot, secret, *needed, shared=frozenset({"shared"}))
    assert evaluate(task, view).ready.message == (
        "Ghost theirs/g is not ready (RefNotFound); see its conditions in namespace theirs"
        " (in spec.ghostRef of Bot shared/b, through spec.bots[0] of Team shared/t, spec.teamRef)"
    )


def test_the_longest_message_fits_the_schema() -> None:
    long, home = ".".join(["n" * 63] * 3) + "." + "n" * 50, "h" * 63
    names = [f"{long}{number:02}" for number in range(64)]
    task = state("Task", long, {"teamRef": {"name": long}}, namespace=home)
    team = state("Team", long, {"bots": [{"name": name} for name in names]}, namespace=home)
    spec = {f"{field}Ref": {"name": long} for field in ("ghost", "model", "shell")}
    bots = [state("Bot", name, spec, namespace=home) for name in names]
    ghost = state("Ghost", long, {"skillRefs": [{"name": name} for name in names]}, namespace=home)
    model = state("Model", long, {"provider": "p" * 63}, namespace=home)
    providers = [f"{number:063}" for number in range(64)]
    shell = state("Shell", long, {"supportedProviders": providers}, namespace=home)
    for there in ([ghost, model, shell], [state("Ghost", long, namespace=home), model, shell]):
        message = evaluate(task, cache(task, team, *bots, *there)).ready.message
        assert 8_000 < len(message.encode()) < 20_000
        assert message.endswith("more")


def fallback(*names: str, name: str = "m", **more: Any) -> ObjectState:
    """Return a Model that falls back to others."""
    refs = [{"name": it} for it in names]
    return state("Model", name, {"provider": "openai", "fallbackRefs": refs, **more})


def test_a_model_names_a_missing_fallback() -> None:
    model = fallback("n", "o")
    verdict = evaluate(model, cache(model, state("Model", "n")))
    assert (verdict.ready.reason, verdict.resolved_refs.reason) == ("RefNotFound", "RefNotFound")
    assert verdict.ready.message.startswith("spec.fallbackRefs[1]: Model default/o does not exist")
    bot = evaluate(BOT, cache(BOT, GHOST, SHELL, model, state("Model", "n")))
    assert bot.ready.reason == "RefNotReady"


def test_models_may_fall_back_to_each_other() -> None:
    one, other = fallback("n"), fallback("m", name="n")
    view = cache(one, other, BOT, GHOST, SHELL)
    for it in (one, other, BOT):
        assert evaluate(it, view).ready.status


def test_the_fallbacks_of_a_fallback_are_not_called_and_do_not_matter() -> None:
    model = fallback("n")
    assert evaluate(model, cache(model, fallback("gone", name="n"))).ready.status


def test_a_model_may_not_fall_back_to_itself() -> None:
    model = state("Model", "m", {"fallbackRefs": [{"name": "m", "namespace": "default"}]})
    verdict = evaluate(model, cache(model))
    assert (verdict.ready.reason, bool(verdict.stalled)) == ("DuplicateRef", True)
    assert verdict.ready.message == (
        "spec.fallbackRefs[0]: Model default/m is this object itself; remove the reference"
    )


def test_a_fallback_elsewhere_needs_a_grant() -> None:
    model = state("Model", "m", {"fallbackRefs": [{"name": "n", "namespace": "theirs"}]})
    theirs = state("Model", "n", {"provider": "openai"}, namespace="theirs")
    assert evaluate(model, cache(model, theirs)).ready.reason == "RefNotPermitted"
    open_to_all = state(
        "Model", "n", {"accessFrom": {"namespaceSelectors": [{}]}}, namespace="theirs"
    )
    assert evaluate(model, cache(model, open_to_all)).ready.status


@pytest.mark.parametrize(("home", "named"), [("default", "Model default/n"), ("ours", "a Model")])
def test_the_shell_must_take_the_fallbacks_provider_too(home: str, named: str) -> None:
    """A Bot elsewhere may use the Model, and learns no name that the Model's spec has."""
    model = fallback("n", accessFrom={"namespaceSelectors": [{}]})
    other = state("Model", "n", {"provider": "anthropic"})
    shell = state("Shell", "s", {"type": "Chat", "supportedProviders": ["openai"]}, namespace=home)
    spec = BOT_SPEC | {"modelRef": {"name": "m", "namespace": "default"}}
    bot = state("Bot", "b", spec, namespace=home)
    view = cache(bot, model, other, shell, state("Ghost", "g", namespace=home))
    assert evaluate(bot, view).ready.message == (
        f"spec.shellRef: Shell {home}/s supports the providers openai, but {named}, a fallback of "
        "Model default/m in spec.modelRef, has the provider anthropic; choose another Model or"
        " Shell"
    )


def continued(name: str = "k", previous: str = "p", **status: Any) -> ObjectState:
    """Return a Task that continues another one."""
    spec = {"teamRef": {"name": "t"}, "previousTaskRef": {"name": previous}}
    return state("Task", name, spec, status=status)


@pytest.mark.parametrize(
    ("phase", "reason", "message"),
    [
        (
            None,
            "RefNotFound",
            " does not exist; create it or change the reference",
        ),
        (
            "Running",
            "RefNotReady",
            " has not ended; this Task can begin when it is Completed",
        ),
        (
            "Failed",
            "RefNotReady",
            " is Failed; only a Completed Task can be continued",
        ),
        ("Completed", "Ready", ""),
    ],
)
def test_a_task_waits_for_the_previous_one(phase: str | None, reason: str, message: str) -> None:
    previous = [] if phase is None else [state("Task", "p", status={"phase": phase})]
    verdict = evaluate(continued(), cache(TEAM, BOT, GHOST, MODEL, SHELL, *previous))
    assert verdict.ready.reason == reason
    assert verdict.ready.message == (message and f"spec.previousTaskRef: Task default/p{message}")


def test_the_references_of_a_completed_previous_task_do_not_matter() -> None:
    previous = state("Task", "p", {"botRef": {"name": "gone"}}, status={"phase": "Completed"})
    assert evaluate(continued(), cache(TEAM, BOT, GHOST, MODEL, SHELL, previous)).ready.status


def test_two_tasks_that_name_each_other_wait() -> None:
    one, other = continued("k", "l"), continued("l", "k")
    view = cache(one, other, TEAM, BOT, GHOST, MODEL, SHELL)
    assert [evaluate(it, view).ready.reason for it in (one, other)] == ["RefNotReady"] * 2


CODE = state("Shell", "s", {"type": "ClaudeCode"})
UNSERVED = "no runner serves Shells of the type ClaudeCode"
THROUGH_BOT = f"{UNSERVED} (in spec.shellRef of Bot default/b, through spec.bots[0]"


def served(judged: ObjectState, view: Cache) -> tuple[bool, str, str] | None:
    outcome = evaluate(judged, view).served
    return None if outcome is None else (outcome.status, outcome.reason, outcome.message)


@pytest.mark.parametrize(
    ("judged", "message"),
    [
        (BOT, f"spec.shellRef: {UNSERVED}"),
        (TEAM, f"{THROUGH_BOT})"),
        (TASK, f"{THROUGH_BOT} of Team default/t, spec.teamRef)"),
    ],
)
def test_a_shell_that_no_runner_serves_is_told_up_to_the_task(
    judged: ObjectState, message: str
) -> None:
    parts = (BOT, TEAM, TASK, GHOST, MODEL)
    assert served(judged, cache(*parts, SHELL)) == (True, "ShellServed", "")
    view = cache(*parts, CODE)
    assert served(judged, view) == (False, "ShellNotServed", message)
    assert evaluate(judged, view).ready.status, "it doesn't affect Ready"
    assert served(judged, cache(*parts, CODE, served=frozenset({"ClaudeCode"}))) == (
        True,
        "ShellServed",
        "",
    )
    assert served(judged, cache(*parts)) is None, "the Shell is not known"
    assert served(GHOST, view) is None


def test_one_unserved_shell_is_told_while_another_is_missing() -> None:
    team = team_of("b", "gone")
    assert served(team, cache(team, BOT, CODE)) == (
        False,
        "ShellNotServed",
        f"{THROUGH_BOT})",
    )


def test_the_shell_of_a_bot_elsewhere_is_not_named() -> None:
    view = cache(ABROAD, *their_bot({"namespaceSelectors": [{}]}), served=frozenset())
    view.put(state("Shell", "s", {"type": "ClaudeCode"}, namespace="theirs"))
    assert served(ABROAD, view) == (
        False,
        "ShellNotServed",
        "spec.bots[0]: Bot theirs/b needs a Shell that no runner serves",
    )


PIPELINE_SPEC = {"bots": [{"name": "b"}], "collaborationMode": "pipeline"}
NO_PIPELINE = "no runner serves the mode pipeline; choose a mode that runners serve: solo"
UNSERVED_MODE = f"spec.collaborationMode: {NO_PIPELINE}"


def test_a_mode_that_no_runner_serves_is_told_on_the_team_and_its_tasks() -> None:
    team, parts = state("Team", "t", PIPELINE_SPEC), (BOT, TASK, GHOST, MODEL, SHELL)
    view = cache(team, *parts)
    assert served(team, view) == (False, "ModeNotServed", UNSERVED_MODE)
    through = f"{NO_PIPELINE} (in spec.collaborationMode of Team default/t, through spec.teamRef)"
    assert served(TASK, view) == (False, "ModeNotServed", through)
    assert evaluate(TASK, view).ready.status, "it doesn't affect Ready"
    assert served(BOT, view) == (True, "ShellServed", ""), "a Bot has no mode"
    view = cache(team, *parts, modes=frozenset({"solo", "pipeline"}))
    assert [served(it, view) for it in (team, TASK)] == [(True, "ShellServed", "")] * 2


def test_an_unserved_mode_is_told_before_the_shells() -> None:
    team = state("Team", "t", PIPELINE_SPEC)
    both = (False, "ModeNotServed", f"{UNSERVED_MODE}; {THROUGH_BOT})")
    assert served(team, cache(team, BOT, CODE)) == both
    assert served(team, cache(team)) == (False, "ModeNotServed", UNSERVED_MODE), "no Bot is known"


def test_the_mode_of_a_team_elsewhere_is_not_named() -> None:
    open_to_all: dict[str, Any] = {"accessFrom": {"namespaceSelectors": [{}]}}
    team = state("Team", "t", PIPELINE_SPEC | open_to_all, namespace="theirs")
    task = state("Task", "k", {"teamRef": {"name": "t", "namespace": "theirs"}}, namespace="ours")
    assert served(task, cache(task, team, *their_bot(None))) == (
        False,
        "ModeNotServed",
        "spec.teamRef: Team theirs/t has a mode of collaboration that no runner serves",
    )


def test_nothing_is_said_of_a_shell_that_may_not_be_used() -> None:
    spec = BOT_SPEC | {"shellRef": {"name": "s", "namespace": "theirs"}}
    bot = state("Bot", "b", spec)
    view = cache(bot, GHOST, MODEL, state("Shell", "s", {"type": "Codex"}, namespace="theirs"))
    assert served(bot, view) is None
