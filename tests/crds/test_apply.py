"""Server-side apply merges the fields that two managers write to one object, key by key."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.crds.conftest import NAMESPACE
from tests.crds.samples import body
from tests.crds.validation import ApiServer
from tests.support.kubectl import Kubectl

DEFAULTS = {"required": False, "timeoutSeconds": 30}
"""Of an MCP server."""
Apply = Callable[[str, str, dict[str, Any]], dict[str, Any]]
"""A function from field manager, plural and spec to the resulting spec."""


@pytest.fixture
def apply(schema_kubectl: Kubectl, api_server: ApiServer) -> Apply:
    """Apply server-side with kubectl, always to the same object of a kind."""

    def run(manager: str, plural: str, spec: dict[str, Any]) -> dict[str, Any]:
        flags = ("--server-side", f"--field-manager={manager}", f"--namespace={NAMESPACE}")
        manifest = body(plural, spec, "shared")
        applied = schema_kubectl.run("apply", *flags, "-o", "json", "-f", "-", stdin=manifest)
        result: dict[str, Any] = applied.ok().json["spec"]
        return result

    assert api_server.namespace == NAMESPACE
    return run


@pytest.mark.parametrize(
    ("plural", "one", "other", "merged"),
    [
        (
            "teams",
            {"bots": [{"name": "a", "role": "leader"}, {"name": "b"}]},
            {"bots": [{"name": "c", "prompt": "Listen."}, {"name": "a", "namespace": "elsewhere"}]},
            {
                "bots": [
                    {"name": "a", "namespace": "", "role": "leader"},
                    {"name": "b", "namespace": "", "role": "member"},
                    {"name": "c", "namespace": "", "role": "member", "prompt": "Listen."},
                    {"name": "a", "namespace": "elsewhere", "role": "member"},
                ]
            },
        ),
        (
            "skills",
            {"description": "Reviews", "tags": ["git", "code"]},
            {"tags": ["code", "review"]},
            {"description": "Reviews", "tags": ["git", "code", "review"]},
        ),
        (
            "ghosts",
            {
                "systemPrompt": "You help.",
                "skillRefs": [{"name": "s"}],
                "mcpServers": {"a": {"type": "stdio", "command": "a", "args": ["1"]}},
            },
            {
                "skillRefs": [{"name": "t"}],
                "mcpServers": {"b": {"type": "sse", "url": "https://b.example.com"}},
            },
            {
                "systemPrompt": "You help.",
                "skillRefs": [{"name": "s", "namespace": ""}, {"name": "t", "namespace": ""}],
                "mcpServers": {
                    "a": {"type": "stdio", "command": "a", "args": ["1"], **DEFAULTS},
                    "b": {"type": "sse", "url": "https://b.example.com", **DEFAULTS},
                },
            },
        ),
        (
            "accounts",
            {"email": "ada@example.com", "namespaces": [{"name": "blue", "role": "viewer"}]},
            {"namespaces": [{"name": "red", "role": "editor"}]},
            {
                "email": "ada@example.com",
                "role": "user",
                "suspended": False,
                "namespaces": [
                    {"name": "blue", "role": "viewer"},
                    {"name": "red", "role": "editor"},
                ],
            },
        ),
    ],
    ids=["teams", "skills", "ghosts", "accounts"],
)
def test_server_side_apply_merges_what_two_write(
    plural: str,
    one: dict[str, Any],
    other: dict[str, Any],
    merged: dict[str, Any],
    apply: Apply,
) -> None:
    apply("one", plural, one)
    assert apply("other", plural, other).items() >= merged.items()
    # Fields that a manager leaves out of its next apply are removed; the other's fields stay.
    required = {name: one[name] for name in ("systemPrompt",) if name in one}
    left = apply("other", plural, required)
    for name, value in one.items():
        assert len(left[name]) == len(value), name
