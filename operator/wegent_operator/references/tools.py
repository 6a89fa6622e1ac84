"""The condition ``ToolsServed``: whether runners use an object's MCP servers.

It informs, and doesn't affect ``Ready``: a Ghost is more than its tools, and names no runtime, so
one cluster may start the commands that another doesn't. A Task runs without the tools of such a
server and its transcript says so, as with a server that is down. With ``required``, it fails.
"""

from typing import Final

from wegent_crds.conditions import ConditionType, Reason
from wegent_operator.references.view import View, is_open, resolve
from wegent_operator.state.objects import McpServerState, ObjectState, ToolsState, title
from wegent_operator.state.verdict import Outcome, Problem, outcome_of

REMEDY: Final = "replace it with a server that has a url, or have an administrator permit stdio"


def tools_served(state: ObjectState, view: View) -> Outcome | None:
    """Return the condition of a Ghost or Skill; None if it has no MCP servers.

    A Skill that may not be used is left out: ``ResolvedRefs`` tells of it.
    """
    if not isinstance(state, ToolsState):
        return None
    own = frozenset(server.name for server in state.mcp_servers)
    servers, problems = list(state.mcp_servers), _problems(state.mcp_servers, view)
    for reference in state.references:
        skill = view.get(reference.target)
        if not isinstance(skill, ToolsState) or resolve(state, reference, view) is not None:
            continue
        # The Ghost's server replaces one of the same name.
        brought = tuple(server for server in skill.mcp_servers if server.name not in own)
        servers += brought
        causes = _problems(brought, view)
        referent = title(reference.target)
        if is_open(reference.target.namespace, state.key.namespace, view):
            problems += [it.through(reference.field, referent, it.reason) for it in causes]
        elif causes:
            message = f"{referent} brings a stdio server, and stdio is not permitted; {REMEDY}"
            problems.append(Problem(causes[0].reason, message, (reference.field,)))
    if not servers:
        return None
    return outcome_of(ConditionType.TOOLS_SERVED, Reason.TOOLS_SERVED, problems)


def _problems(servers: tuple[McpServerState, ...], view: View) -> list[Problem]:
    """Return a problem for each server that runners don't use."""
    if view.stdio_permitted:
        return []
    return [
        Problem(
            Reason.STDIO_NOT_PERMITTED,
            f"stdio is not permitted, so that the server's tools are missing; {REMEDY}",
            (f"spec.mcpServers[{server.name}]",),
        )
        for server in servers
        if server.is_stdio
    ]
