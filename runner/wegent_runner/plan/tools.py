"""The tools and skills of a Bot, from its Ghost and the Ghost's Skills. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from wegent_crds.schema.mcp_servers import transport_of
from wegent_runner.plan.plan import McpServerPlan, SecretKey, SkillPlan, full_name

Body = Mapping[str, Any]
DEFAULT_TIMEOUT_S: Final = 30.0
"""Default of ``timeoutSeconds``, for objects that were stored before the field existed."""


def mcp_servers_of(ghost: Body, skills: Sequence[Body]) -> tuple[McpServerPlan, ...]:
    """Return the MCP servers of a Ghost, then those that its Skills bring.

    A server of the Ghost replaces one of the same name of a Skill: the Ghost's author thereby gives
    a Skill another address, or other credentials. Skills don't replace each other's servers, as
    their authors don't know of each other: equal servers are one, and a different one is named
    ``namespace/skill/server``.
    """
    found = {it.name: it for it in servers_of(ghost)}
    own = frozenset(found)
    for skill in skills:
        for server in servers_of(skill):
            if server.name in own or found.setdefault(server.name, server) == server:
                continue
            name = f"{full_name(skill)}/{server.name}"
            found[name] = replace(server, name=name)
    return tuple(found.values())


def servers_of(body: Body) -> Iterator[McpServerPlan]:
    """Yield the MCP servers of one Ghost or Skill, ordered by name.

    Their Secrets are in the object's own namespace. The order doesn't depend on the object's, as
    LLMs' providers cache prompts whose tools are the same and in the same order.
    """
    namespace = body["metadata"]["namespace"]
    for name, server in sorted((body["spec"].get("mcpServers") or {}).items()):
        yield server_plan(name, server, namespace)


def server_plan(name: str, server: Mapping[str, Any], namespace: str) -> McpServerPlan:
    """Return the plan of an MCP server of an object in ``namespace``."""
    sources = {
        header: source["secretKeyRef"]
        for header, source in (server.get("headersFrom") or {}).items()
    }
    allowed = server.get("allowedTools")
    approvers = server.get("approvers") or ("OwnNamespace" if sources else "TaskNamespace")
    return McpServerPlan(
        name=name,
        transport=transport_of(server.get("type"), server.get("command")),
        url=server.get("url"),
        headers=dict(server.get("headers") or {}),
        headers_from={
            header: SecretKey(namespace, it["name"], it["key"]) for header, it in sources.items()
        },
        allowed_tools=None if allowed is None else tuple(allowed),
        require_approval=tuple(server.get("requireApproval") or ()),
        approver=namespace if approvers == "OwnNamespace" else "",
        required=server.get("required", False),
        timeout_s=float(server.get("timeoutSeconds", DEFAULT_TIMEOUT_S)),
        command=server.get("command"),
        args=tuple(server.get("args") or ()),
        env=dict(server.get("env") or {}),
    )


def skills_of(skills: Sequence[Body]) -> tuple[SkillPlan, ...]:
    """Return the plans of a Ghost's Skills, in the Ghost's order."""
    counts = Counter(skill["metadata"]["name"] for skill in skills)
    return tuple(
        SkillPlan(
            name=(
                full_name(skill)
                if counts[skill["metadata"]["name"]] > 1
                else skill["metadata"]["name"]
            ),
            description=skill["spec"]["description"],
            content=skill["spec"].get("content", ""),
            files=dict(skill["spec"].get("files") or {}),
        )
        for skill in skills
    )
