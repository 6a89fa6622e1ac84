"""The messages in docs/conditions.md are the ones that users read."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.objects import evaluate, state
from tests.unit.pages import Page
from wegent_crds.api_keys import HOSTS_ANNOTATION, SECRET_TYPE
from wegent_crds.conditions import Reason
from wegent_crds.schema.status import PENDING_MESSAGE
from wegent_operator.accounts.plan import plan
from wegent_operator.accounts.verdict import SUSPENDED
from wegent_operator.state.cache import Cache
from wegent_operator.state.objects import ObjectState
from wegent_operator.tasks.deadlines import Seen, next_step
from wegent_runner.engine.key_condition import not_usable, refused
from wegent_runner.engine.keys import ApiKey, KeyNotUsable, api_key, check_host, missing
from wegent_runner.plan.plan import SecretKey

CONDITIONS = Page.read("docs/conditions.md")
GHOST = state("Ghost", "code-assistant")
MODEL = state("Model", "gpt-4", {"provider": "mistral"})
SHELL = state("Shell", "chat-shell", {"supportedProviders": ["openai", "anthropic"]})
BOT_SPEC: dict[str, Any] = {
    "ghostRef": {"name": "code-assistant"},
    "modelRef": {"name": "gpt-4"},
    "shellRef": {"name": "chat-shell"},
}
FALLING_BACK = state("Model", "gpt-4", {"provider": "openai", "fallbackRefs": [{"name": "spare"}]})
PREVIOUS = "review-the-parser"
CONTINUED = state("Task", "why", {"previousTaskRef": {"name": PREVIOUS}})
TEAM = state("Team", "reviewers", {"bots": [{"name": "reviewer"}]})
ELSEWHERE: dict[str, Any] = {"namespace": "platform-team"}
FOR_ALL: dict[str, Any] = {"accessFrom": {"namespaceSelectors": [{}]}}
REMOTE = "https://example.com/item.json"
FOREIGN = {"ghostRef": {"name": "house-style", "namespace": "platform-team"}}


def shown(reason: Reason) -> list[str]:
    return [block.strip() for block in _section(reason).blocks("text")]


def _section(reason: Reason) -> Page:
    return Page(CONDITIONS.path, CONDITIONS.section(reason))


@pytest.mark.parametrize(
    ("reason", "evaluated", "there"),
    [
        (Reason.REF_NOT_FOUND, state("Bot", "reviewer", BOT_SPEC), [MODEL, SHELL]),
        (
            Reason.REF_NOT_PERMITTED,
            state("Bot", "writer", BOT_SPEC | FOREIGN),
            [MODEL, SHELL, state("Ghost", "house-style", namespace="platform-team")],
        ),
        (
            Reason.REF_NOT_READY,
            state("Task", "review", {"teamRef": {"name": "reviewers"}}),
            [TEAM, state("Bot", "reviewer", BOT_SPEC), MODEL, state("Shell", "chat-shell")],
        ),
        (
            Reason.REF_NOT_READY,
            state("Team", "reviewers", {"bots": [{"name": "reviewer", **ELSEWHERE}]}),
            [state("Bot", "reviewer", BOT_SPEC | FOR_ALL, **ELSEWHERE)],
        ),
        (
            Reason.PROVIDER_NOT_SUPPORTED,
            state("Bot", "reviewer", BOT_SPEC),
            [GHOST, MODEL, SHELL],
        ),
        (
            Reason.PROVIDER_NOT_SUPPORTED,
            state("Bot", "reviewer", BOT_SPEC),
            [GHOST, FALLING_BACK, state("Model", "spare", {"provider": "mistral"}), SHELL],
        ),
        (
            Reason.OUTPUT_SCHEMA_INVALID,
            state("Task", "add", {"outputSchema": {"properties": {"total": {"type": "money"}}}}),
            [],
        ),
        (
            Reason.OUTPUT_SCHEMA_INVALID,
            state("Task", "add", {"outputSchema": {"$defs": {"item": {"$ref": REMOTE}}}}),
            [],
        ),
        (
            Reason.DUPLICATE_REF,
            state("Model", "gpt-4", {"fallbackRefs": [{"name": "gpt-4"}]}),
            [state("Model", "gpt-4")],
        ),
        *(
            (Reason.REF_NOT_READY, CONTINUED, [state("Task", PREVIOUS, status={"phase": phase})])
            for phase in ("Running", "Failed")
        ),
    ],
)
def test_of_references(reason: Reason, evaluated: ObjectState, there: list[ObjectState]) -> None:
    cache = Cache()
    for item in there:
        cache.put(item)
    ready = evaluate(evaluated, cache).ready
    assert ready.reason is reason
    assert ready.message in shown(reason)


CODE = state("Shell", "chat-shell", {"type": "ClaudeCode"})


@pytest.mark.parametrize(
    ("judged", "there"),
    [
        (state("Bot", "reviewer", BOT_SPEC), [CODE]),
        (
            state("Task", "review", {"teamRef": {"name": "reviewers"}}),
            [TEAM, state("Bot", "reviewer", BOT_SPEC), CODE],
        ),
        (
            state("Team", "reviewers", {"bots": [{"name": "reviewer", **ELSEWHERE}]}),
            [
                state("Bot", "reviewer", BOT_SPEC | FOR_ALL, **ELSEWHERE),
                state("Shell", "chat-shell", {"type": "ClaudeCode"}, **ELSEWHERE),
            ],
        ),
    ],
)
def test_of_shells_without_runners(judged: ObjectState, there: list[ObjectState]) -> None:
    cache = Cache(served_shells=("Chat",), served_modes=("solo",))
    for item in there:
        cache.put(item)
    served = evaluate(judged, cache).served
    assert served is not None
    assert served.reason is Reason.SHELL_NOT_SERVED
    assert served.message in shown(Reason.SHELL_NOT_SERVED)


PIPELINE: dict[str, Any] = {"bots": [{"name": "reviewer"}], "collaborationMode": "pipeline"}


@pytest.mark.parametrize(
    ("judged", "there"),
    [
        (state("Team", "reviewers", PIPELINE), []),
        (
            state("Task", "review", {"teamRef": {"name": "reviewers"}}),
            [state("Team", "reviewers", PIPELINE)],
        ),
        (
            state("Task", "review", {"teamRef": {"name": "reviewers", **ELSEWHERE}}),
            [state("Team", "reviewers", PIPELINE | FOR_ALL, **ELSEWHERE)],
        ),
    ],
)
def test_of_modes_without_runners(judged: ObjectState, there: list[ObjectState]) -> None:
    cache = Cache(served_shells=("Chat",), served_modes=("solo",))
    for item in there:
        cache.put(item)
    served = evaluate(judged, cache).served
    assert served is not None
    assert served.reason is Reason.MODE_NOT_SERVED
    assert served.message in shown(Reason.MODE_NOT_SERVED)


LOCAL: dict[str, Any] = {"mcpServers": {"files": {"command": "npx"}}}
SKILLED: dict[str, Any] = {"skillRefs": [{"name": "review-a-diff"}]}
BORROWING: dict[str, Any] = {"skillRefs": [{"name": "review-a-diff", **ELSEWHERE}]}


@pytest.mark.parametrize(
    ("judged", "there"),
    [
        (state("Ghost", "code-assistant", LOCAL), []),
        (state("Skill", "review-a-diff", LOCAL), []),
        (
            state("Ghost", "code-assistant", SKILLED),
            [state("Skill", "review-a-diff", LOCAL)],
        ),
        (
            state("Ghost", "code-assistant", BORROWING),
            [state("Skill", "review-a-diff", LOCAL | FOR_ALL, **ELSEWHERE)],
        ),
    ],
)
def test_of_stdio_servers(judged: ObjectState, there: list[ObjectState]) -> None:
    cache = Cache()
    for item in there:
        cache.put(item)
    served = evaluate(judged, cache).tools_served
    assert served is not None
    assert served.reason is Reason.STDIO_NOT_PERMITTED
    assert served.message in shown(Reason.STDIO_NOT_PERMITTED)


@pytest.mark.parametrize(
    ("reason", "spec"),
    [
        (Reason.REF_NOT_FOUND, {"namespaces": [{"name": "staging", "role": "editor"}]}),
        (Reason.REF_NOT_PERMITTED, {"namespaces": [{"name": "kube-public", "role": "viewer"}]}),
        (Reason.NAMESPACE_TAKEN, {}),
    ],
)
def test_of_accounts(reason: Reason, spec: dict[str, Any]) -> None:
    metadata = {"uid": "5fffc4ba-9aa5-47fc-ac41-cdc5ebf1e611"}
    account = state(
        "Account", "platform-team", spec, namespace="wegent-accounts", metadata=metadata
    )
    namespaces: dict[str, dict[str, str]] = {"wegent-platform-team": {}}
    todo = plan(account, "wegent-accounts", namespaces.get, {})
    said = {problem.message for problem in todo.problems if problem.reason is reason}
    assert said
    assert said <= set(shown(reason))


def test_of_a_suspended_account() -> None:
    assert shown(Reason.SUSPENDED) == [SUSPENDED.message]


def test_of_a_task_at_its_end() -> None:
    claim = {"holder": "r", "leaseSeconds": 60, "renewedAt": "2026-01-01T00:00:00Z"}
    status = {"phase": "Running", "startTime": "2026-01-01T00:00:00Z", "claim": claim}
    task = state("Task", "slow", {"timeoutSeconds": 60}, status=status).progress
    now = datetime(2026, 1, 1, tzinfo=UTC)
    step = next_step(task, Seen(now, now, now, now))
    assert step
    assert step.message in shown(Reason.TASK_FAILED)


def test_of_what_nothing_has_looked_at() -> None:
    assert shown(Reason.PENDING) == [PENDING_MESSAGE]


KEY_PLACE = SecretKey("default", "openai", "api-key")
HOSTS = {"annotations": {HOSTS_ANNOTATION: "api.openai.com"}}


def faults_of_secrets() -> Iterator[str]:
    """Yield the faults of Secrets, each as the runner says it."""
    yield str(missing(KEY_PLACE))
    for secret in (
        {"type": "Opaque"},
        {"type": SECRET_TYPE, "metadata": {}},
        {"type": SECRET_TYPE, "metadata": HOSTS},
    ):
        with pytest.raises(KeyNotUsable) as caught:
            api_key(secret, KEY_PLACE)
        yield str(caught.value)
    with pytest.raises(KeyNotUsable) as caught:
        check_host(ApiKey("k", ("api.openai.com",)), KEY_PLACE, "https://llm.example.com/v1")
    yield str(caught.value)


def test_of_keys() -> None:
    messages = [not_usable(fault).message for fault in faults_of_secrets()]
    assert sorted(messages) == sorted(shown(Reason.KEY_NOT_USABLE))
    assert [refused(key).message for key in (KEY_PLACE, None)] == shown(Reason.KEY_REFUSED)
