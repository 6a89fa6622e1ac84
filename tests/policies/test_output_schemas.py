"""The schema of a Task's result is bounded, and can't be changed."""

import json
from typing import Any

import pytest

from tests.support.kubectl import Kubectl


def task(name: str, schema: Any) -> dict[str, Any]:
    return {
        "apiVersion": "agent.wecode.io/v1",
        "kind": "Task",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"teamRef": {"name": "t"}, "prompt": "p", "outputSchema": schema},
    }


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels - 1):
        schema = {"not": schema}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        {},
        nested(500),
        {"enum": [None, 1.5, [True]], "title": "a '{' in a text, and \N{GRINNING FACE}"},
        {"description": "x" * 32_700},
        {"enum": list(range(5000))},
    ],
)
def test_what_is_let_through(alice: Kubectl, name: str, schema: dict[str, Any]) -> None:
    alice.run("create", "--dry-run=server", "-f", "-", stdin=task(name, schema)).ok()


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (nested(501), "spec.outputSchema: must have at most 500 objects and lists"),
        ({"enum": [[]] * 499}, "spec.outputSchema: must have at most 500 objects and lists"),
        ({"description": "x" * 32_768}, "spec.outputSchema: must have at most 32768 bytes"),
        ({"description": "\N{CJK UNIFIED IDEOGRAPH-4E2D}" * 11_000}, "at most 32768 bytes"),
        ({"description": "x" * 1_300_000}, "spec.outputSchema: must have at most 32768 bytes"),
        ({"enum": list(range(200_000))}, "spec.outputSchema: must have at most 32768 bytes"),
    ],
)
def test_what_is_refused(alice: Kubectl, name: str, schema: dict[str, Any], message: str) -> None:
    done = alice.run("create", "--dry-run=server", "-f", "-", stdin=task(name, schema))
    assert message in done.stderr


def test_a_schema_counts_with_the_other_texts(alice: Kubectl, name: str) -> None:
    """All texts together, with the longest result, just fit into etcd."""
    made = task(name, {"description": "x" * 30_000})
    made["spec"] |= {
        "prompt": "p" * 90_000,
        "instructions": "i" * 10_000,
        "history": [{"role": "user", "content": "h" * 1000}],
    }
    alice.run("create", "--dry-run=server", "-f", "-", stdin=made).ok()
    made["spec"]["instructions"] = "i" * 11_000
    done = alice.run("create", "--dry-run=server", "-f", "-", stdin=made)
    assert "history, outputSchema and answers together may have at most" in done.stderr
    del made["spec"]["outputSchema"]
    alice.run("create", "--dry-run=server", "-f", "-", stdin=made).ok()


def test_a_schema_that_few_programs_could_read(alice: Kubectl, name: str) -> None:
    body = json.dumps(task(name, "DEEP")).replace('"DEEP"', '{"a":' * 5000 + "1" + "}" * 5000)
    done = alice.run("create", "--dry-run=server", "-f", "-", stdin=body)
    assert "spec.outputSchema: must have at most 500 objects and lists" in done.stderr


def test_a_schema_can_not_be_changed(alice: Kubectl, name: str) -> None:
    alice.run("create", "-f", "-", stdin=task(name, {"type": "object", "title": "One"})).ok()
    for change in (
        {"title": "Two"},
        {"title": None, "description": "One"},  # as many keywords: the CRD's own rule lets it pass
        {"title": None},
        None,
    ):
        patch = json.dumps({"spec": {"outputSchema": change}})
        refused = alice.run("patch", "task", name, "--type=merge", "-p", patch)
        assert "outputSchema can't be changed; create another Task" in refused.stderr, change
    alice.run("patch", "task", name, "--type=merge", "-p", '{"spec":{"title":"Mine"}}').ok()
