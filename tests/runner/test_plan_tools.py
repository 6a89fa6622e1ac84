"""The tools and skills of a Bot, from the Ghost's and the Skills' specs."""

from typing import Any

import pytest

from wegent_runner.plan.plan import McpServerPlan, SecretKey, SkillPlan
from wegent_runner.plan.tools import mcp_servers_of, skills_of

URL = "https://mcp.example.com"


def body(name: str, namespace: str = "ns", **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"description": f"Does {name}", **spec},
    }


def ghost(**servers: Any) -> dict[str, Any]:
    return body("g", mcpServers=servers)


def skill(name: str, namespace: str = "ns", **servers: Any) -> dict[str, Any]:
    return body(name, namespace, mcpServers=servers)


@pytest.mark.parametrize(
    ("server", "transport"),
    [
        ({"type": "stdio", "command": "x"}, "stdio"),
        ({"command": "x"}, "stdio"),
        ({"type": "sse", "url": URL}, "sse"),
        ({"type": "http", "url": URL}, "http"),
        ({"type": "streamable-http", "url": URL}, "http"),
        ({"url": URL}, "http"),
    ],
    ids=str,
)
def test_the_transport_follows_from_the_fields(server: dict[str, Any], transport: str) -> None:
    (plan,) = mcp_servers_of(ghost(one=server), [])
    assert plan.transport == transport


def test_each_field_of_a_remote_server_is_in_the_plan() -> None:
    server = {
        "url": URL,
        "headers": {"X-Team": "blue"},
        "headersFrom": {"Authorization": {"secretKeyRef": {"name": "issues", "key": "token"}}},
        "allowedTools": ["find", "read"],
        "requireApproval": ["*"],
        "required": True,
        "timeoutSeconds": 5,
    }
    assert mcp_servers_of(ghost(issues=server), []) == (
        McpServerPlan(
            name="issues",
            transport="http",
            url=URL,
            headers={"X-Team": "blue"},
            headers_from={"Authorization": SecretKey("ns", "issues", "token")},
            allowed_tools=("find", "read"),
            require_approval=("*",),
            approver="ns",
            required=True,
            timeout_s=5.0,
        ),
    )


@pytest.mark.parametrize(
    ("fields", "approver"),
    [
        ({}, ""),
        ({"headersFrom": {"A": {"secretKeyRef": {"name": "s", "key": "k"}}}}, "theirs"),
        ({"approvers": "OwnNamespace"}, "theirs"),
        (
            {
                "headersFrom": {"A": {"secretKeyRef": {"name": "s", "key": "k"}}},
                "approvers": "TaskNamespace",
            },
            "",
        ),
    ],
    ids=str,
)
def test_calls_with_a_secret_are_approved_in_its_namespace(
    fields: dict[str, Any], approver: str
) -> None:
    (plan,) = mcp_servers_of(ghost(), [skill("s", "theirs", one={"url": URL, **fields})])
    assert plan.approver == approver


def test_each_field_of_a_stdio_server_is_in_the_plan() -> None:
    server = {"command": "npx", "args": ["-y", "it"], "env": {"DEBUG": "1"}}
    assert mcp_servers_of(ghost(it=server), []) == (
        McpServerPlan("it", "stdio", command="npx", args=("-y", "it"), env={"DEBUG": "1"}),
    )


def test_an_object_without_servers_has_none() -> None:
    assert mcp_servers_of(body("g"), [body("s")]) == ()


def test_a_ghosts_server_replaces_a_skills() -> None:
    found = mcp_servers_of(ghost(a={"url": f"{URL}/g"}), [skill("s", a={"url": f"{URL}/s"})])
    assert [(it.name, it.url) for it in found] == [("a", f"{URL}/g")]


def test_equal_servers_of_skills_are_one() -> None:
    skills = [skill(name, a={"url": URL}) for name in ("s", "t")]
    assert [it.name for it in mcp_servers_of(ghost(), skills)] == ["a"]


def test_different_servers_of_skills_are_all_there() -> None:
    """No order of the Skills loses a server, and the Skill's namespace has the Secret."""
    source = {"X": {"secretKeyRef": {"name": "k", "key": "v"}}}
    skills = [
        skill("s", a={"url": URL, "headersFrom": source}),
        skill("s", "of", a={"url": URL, "headersFrom": source}),
        skill("t", a={"url": f"{URL}/t"}),
    ]
    found = mcp_servers_of(ghost(), skills)
    assert [it.name for it in found] == ["a", "of/s/a", "ns/t/a"]
    assert [it.headers_from.get("X") for it in found] == [
        SecretKey("ns", "k", "v"),
        SecretKey("of", "k", "v"),
        None,
    ]


def test_skills_keep_their_order_and_names() -> None:
    skills = [body("b", content="How.", files={"a/b.md": "More."}), body("a")]
    assert skills_of(skills) == (
        SkillPlan("b", "Does b", "How.", {"a/b.md": "More."}),
        SkillPlan("a", "Does a"),
    )


def test_skills_of_one_name_are_told_apart() -> None:
    skills = [body("s"), body("s", "of"), body("t")]
    assert [it.name for it in skills_of(skills)] == ["ns/s", "of/s", "t"]
