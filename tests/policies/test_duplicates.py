"""Two items of a list that mean the same object cause a warning, and are let through."""

from typing import Any

import pytest

from tests.policies.conftest import ghost
from tests.support.kubectl import Kubectl

WARNING = "two items mean the same object"


def listing(kind: str, name: str, *namespaces: str | None) -> dict[str, Any]:
    """Return a Team, Ghost or Model that lists ``x`` with each of the namespaces."""
    items = [{"name": "x"} if it is None else {"name": "x", "namespace": it} for it in namespaces]
    made = {**ghost(name), "kind": kind}
    specs: dict[str, dict[str, Any]] = {
        "Team": {"bots": items},
        "Ghost": {"systemPrompt": "p", "skillRefs": items},
        "Model": {"provider": "openai", "model": "gpt-4", "fallbackRefs": items},
    }
    return {**made, "spec": specs[kind]}


@pytest.mark.parametrize("kind", ["Team", "Ghost", "Model"])
@pytest.mark.parametrize("namespaces", [(None, "default"), ("default", None), ("default", "")])
def test_the_same_object_twice_is_warned_of(
    alice: Kubectl, name: str, kind: str, namespaces: tuple[str | None, ...]
) -> None:
    done = alice.run("create", "-f", "-", stdin=listing(kind, name, *namespaces)).ok()
    assert WARNING in done.stderr
    changed = alice.run("label", kind, name, "a=b").ok()
    assert WARNING in changed.stderr
    mended = alice.run("replace", "-f", "-", stdin=listing(kind, name, "default")).ok()
    assert WARNING not in mended.stderr


@pytest.mark.parametrize("kind", ["Team", "Ghost", "Model"])
def test_a_name_in_two_namespaces_is_two_objects(alice: Kubectl, name: str, kind: str) -> None:
    done = alice.run("create", "-f", "-", stdin=listing(kind, name, None, "other", "third")).ok()
    assert WARNING not in done.stderr


def test_the_longest_lists_are_looked_at(alice: Kubectl, name: str) -> None:
    """The policy's expressions have a cost budget; beyond it, the warning has an error."""
    team = listing("Team", name)
    team["spec"]["bots"] = [
        {"name": f"b{number % 32}", "namespace": "default" if number < 32 else ""}
        for number in range(64)
    ]
    assert WARNING in alice.run("create", "-f", "-", stdin=team).ok().stderr
    team = listing("Team", f"{name}-2")
    team["spec"]["bots"] = [
        {"name": f"b{number}", "namespace": "default" if number < 32 else ""}
        for number in range(64)
    ]
    assert alice.run("create", "-f", "-", stdin=team).ok().stderr == ""
