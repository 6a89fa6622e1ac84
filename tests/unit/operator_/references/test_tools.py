"""The condition ``ToolsServed``: a table of Ghosts and Skills, and of the setting."""

from typing import Any

import pytest

from tests.unit.objects import evaluate, state
from wegent_crds.conditions import ConditionType, Reason, find_condition
from wegent_operator.state.cache import Cache
from wegent_operator.state.conditions import with_verdict
from wegent_operator.state.objects import ObjectState
from wegent_operator.state.verdict import Outcome

STDIO = {"command": "npx"}
REMOTE = {"url": "https://mcp.example.com"}
REMEDY = "replace it with a server that has a url, or have an administrator permit stdio"
MISSING = f"stdio is not permitted, so that the server's tools are missing; {REMEDY}"


def ghost(servers: dict[str, Any], *skills: str, namespace: str = "") -> ObjectState:
    references = [{"name": name, "namespace": namespace} for name in skills]
    return state("Ghost", "g", {"mcpServers": servers, "skillRefs": references})


def told(one: ObjectState, *others: ObjectState, permitted: bool = False) -> Outcome | None:
    """Return the condition of an object; ``Ready`` never depends on it."""
    cache = Cache(("shared",), stdio_permitted=permitted)
    for it in (one, *others):
        cache.put(it)
    verdict = evaluate(one, cache)
    assert verdict.ready.status
    return verdict.tools_served


@pytest.mark.parametrize("kind", ["Ghost", "Skill"])
@pytest.mark.parametrize("server", [STDIO, {"type": "stdio", "command": "npx"}], ids=str)
def test_a_stdio_server_is_told_where_it_stands(kind: str, server: dict[str, Any]) -> None:
    spec = {"mcpServers": {"files": server, "issues": REMOTE}}
    outcome = told(state(kind, "it", spec))
    assert outcome is not None
    assert (outcome.status, outcome.reason) == (False, Reason.STDIO_NOT_PERMITTED)
    assert outcome.message == f"spec.mcpServers[files]: {MISSING}"
    permitted = told(state(kind, "it", spec), permitted=True)
    assert permitted == Outcome(
        ConditionType.TOOLS_SERVED, status=True, reason=Reason.TOOLS_SERVED, message=""
    )


@pytest.mark.parametrize(
    "server", [REMOTE, {"type": "sse", **REMOTE}, {"type": "http", **REMOTE}], ids=str
)
def test_a_remote_server_is_served(server: dict[str, Any]) -> None:
    outcome = told(ghost({"a": server}))
    assert outcome is not None
    assert outcome.status


def test_without_servers_there_is_no_condition() -> None:
    assert told(ghost({}, "s"), state("Skill", "s")) is None
    assert told(state("Skill", "s")) is None


def test_a_ghost_tells_of_its_skills_servers() -> None:
    skill = state("Skill", "s", {"mcpServers": {"files": STDIO}})
    outcome = told(ghost({}, "s"), skill)
    assert outcome is not None
    assert outcome.message == (
        f"{MISSING} (in spec.mcpServers[files] of Skill default/s, through spec.skillRefs[0])"
    )


def test_a_skill_of_another_namespace_is_not_quoted() -> None:
    opened: dict[str, Any] = {"namespaceSelectors": [{}]}
    spec = {"mcpServers": {"secret-name": STDIO}, "accessFrom": opened}
    outcome = told(ghost({}, "s", namespace="other"), state("Skill", "s", spec, namespace="other"))
    assert outcome is not None
    assert outcome.message == (
        "spec.skillRefs[0]: Skill other/s brings a stdio server, and stdio is not permitted;"
        f" {REMEDY}"
    )


def test_a_skill_of_a_shared_namespace_is_quoted() -> None:
    spec = {"mcpServers": {"files": STDIO}}
    skill = state("Skill", "s", spec, namespace="shared")
    outcome = told(ghost({}, "s", namespace="shared"), skill)
    assert outcome is not None
    assert "spec.mcpServers[files]" in outcome.message


def test_a_ghosts_server_replaces_a_skills() -> None:
    skill = state("Skill", "s", {"mcpServers": {"files": STDIO}})
    outcome = told(ghost({"files": REMOTE}, "s"), skill)
    assert outcome is not None
    assert outcome.status


def test_the_condition_goes_with_the_last_server() -> None:
    cache, before = Cache(), ghost({"a": STDIO})
    cache.put(before)
    written = with_verdict(before, evaluate(before, cache), "2026-01-01T00:00:00Z")
    assert find_condition(written.conditions, ConditionType.TOOLS_SERVED)
    after = state("Ghost", "g", status={"conditions": [it.to_json() for it in written.conditions]})
    rewritten = with_verdict(after, evaluate(after, cache), "2026-01-01T00:00:00Z")
    assert find_condition(rewritten.conditions, ConditionType.TOOLS_SERVED) is None


def test_a_skills_change_is_the_ghosts_too() -> None:
    cache, one = Cache(), ghost({}, "s")
    skill = state("Skill", "s")
    for it in (one, skill):
        cache.put(it)
    cache.clear_dirty()
    cache.put(state("Skill", "s", {"mcpServers": {"files": STDIO}}))
    assert one.key in cache.pop_dependents(skill.key)
