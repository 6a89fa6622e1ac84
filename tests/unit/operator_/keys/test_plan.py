"""The Role and RoleBinding of a namespace's API keys, given the Models and the existing objects."""

from typing import Any

import pytest

from tests.unit.objects import state
from wegent_kube.resources import RBAC_ROLES, ROLE_BINDINGS
from wegent_operator.keys.grants import KeyGrants
from wegent_operator.keys.manifests import binding, binding_key, managed_subset, role
from wegent_operator.keys.plan import Plan, plan
from wegent_operator.state.cache import Cache
from wegent_operator.state.objects import key_role_key

RUNNER = "wegent-system/wegent-runner"
ROLE, BINDING = key_role_key("ns"), binding_key("ns")


def existing(*secrets: str) -> dict[Any, Any]:
    made = {ROLE: role("ns", secrets), BINDING: binding("ns", RUNNER)}
    return {key: managed_subset(body) for key, body in made.items()}


def test_nothing_is_needed_without_keys() -> None:
    assert plan("ns", (), RUNNER, {}) == Plan((), {})


def test_the_role_names_the_secrets_in_order() -> None:
    todo = plan("ns", {"b", "a"}, RUNNER, {})
    assert list(todo.apply) == [ROLE, BINDING]
    assert todo.apply[ROLE]["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a", "b"], "verbs": ["get"]}
    ]
    assert todo.delete == ()


def test_a_namespace_as_desired_needs_no_write() -> None:
    assert plan("ns", {"a", "b"}, RUNNER, existing("b", "a")) == Plan((), {})


def test_a_further_key_changes_the_role_alone() -> None:
    assert list(plan("ns", {"a", "b"}, RUNNER, existing("a")).apply) == [ROLE]


def test_the_last_key_takes_both_away_and_the_binding_first() -> None:
    assert plan("ns", (), RUNNER, existing("a")) == Plan((BINDING, ROLE), {})


@pytest.mark.parametrize(
    "edit",
    [
        {"subjects": [{"kind": "User", "name": "mallory"}]},
        {"subjects": []},
    ],
)
def test_other_subjects_are_replaced(edit: dict[str, Any]) -> None:
    there = existing("a")
    there[BINDING] |= edit
    todo = plan("ns", {"a"}, RUNNER, there)
    assert (todo.delete, list(todo.apply)) == ((), [BINDING])


def test_a_binding_of_another_role_is_made_again() -> None:
    there = existing("a")
    there[BINDING] |= {"roleRef": {"kind": "ClusterRole", "name": "view"}}
    todo = plan("ns", {"a"}, RUNNER, there)
    assert (todo.delete, list(todo.apply)) == ((BINDING,), [BINDING])


def test_the_cache_knows_the_keys_of_a_namespace() -> None:
    cache = Cache()
    reference = {"name": "openai", "key": "key"}
    spec = {"provider": "openai", "model": "gpt-4", "apiKeySecretRef": reference}
    first, second = state("Model", "m1", spec), state("Model", "m2", spec)
    for model in (first, second, state("Model", "m3", {"provider": "openai", "model": "gpt-4"})):
        cache.put(model)
        assert key_role_key("default") in cache.pop_dependents(model.key)
    assert cache.key_secrets("default") == {"openai"}
    assert cache.namespaces_with_keys() == {"default"}
    cache.put(state("Model", "m1", {**spec, "apiKeySecretRef": {**reference, "name": "other"}}))
    assert key_role_key("default") in cache.pop_dependents(first.key)
    assert cache.key_secrets("default") == {"openai", "other"}
    cache.remove(first.key)
    assert key_role_key("default") in cache.pop_dependents(first.key)
    cache.remove(second.key)
    assert cache.key_secrets("default") == frozenset()
    assert cache.namespaces_with_keys() == frozenset()


@pytest.mark.parametrize("kind", ["Ghost", "Skill"])
def test_the_cache_knows_the_secrets_of_headers(kind: str) -> None:
    def servers(*secrets: str) -> dict[str, Any]:
        sources = {it: {"secretKeyRef": {"name": it, "key": "key"}} for it in secrets}
        return {"mcpServers": {"a": {"url": "https://a.example", "headersFrom": sources}, "b": {}}}

    cache = Cache()
    for names in (("one", "two"), ("two",), ()):
        changed = state(kind, "it", servers(*names))
        cache.put(changed)
        assert key_role_key("default") in cache.pop_dependents(changed.key)
        assert cache.key_secrets("default") == frozenset(names)
        assert cache.namespaces_with_keys() == (frozenset({"default"} if names else ()))


@pytest.mark.parametrize(
    "spec",
    [
        {"mcpServers": "no map"},
        {"mcpServers": {"a": None}},
        {"mcpServers": {"a": {"headersFrom": ["no map"]}}},
        {"mcpServers": {"a": {"headersFrom": {"X": {"secretKeyRef": {"name": 5}}}}}},
    ],
)
def test_servers_of_another_form_name_no_secrets(spec: dict[str, Any]) -> None:
    """A schema of another version may have let them in."""
    cache = Cache()
    cache.put(state("Ghost", "g", spec))
    assert cache.key_secrets("default") == frozenset()


def test_what_a_watch_delivers_late_changes_nothing() -> None:
    grants = KeyGrants()

    def there(version: int, *secrets: str) -> dict[str, Any]:
        body = role("ns", secrets)
        body["metadata"]["resourceVersion"] = str(version)
        return body

    assert grants.put(RBAC_ROLES, there(5, "a"))
    assert not grants.put(RBAC_ROLES, there(4, "b"))
    assert not grants.put(RBAC_ROLES, there(6, "a"))
    assert not grants.remove(ROLE, 4)
    assert grants.remove(ROLE, 7)
    assert not grants.put(RBAC_ROLES, there(6, "a"))
    assert grants.of_namespace("ns") == {}
    assert list(grants.keys(ROLE_BINDINGS.plural)) == []
