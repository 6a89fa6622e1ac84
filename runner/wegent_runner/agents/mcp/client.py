"""The MCP servers of a Bot: their tools, for the length of a run.

All servers are connected at the same time, each within its own limit, and each in a task of its
own: a server that hangs or dies touches neither the others nor the run.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import mcp_types as types

from wegent_runner.agents.mcp.headers import Headers
from wegent_runner.agents.mcp.http import Http, RunHttp, open_sse, open_streamable_http
from wegent_runner.agents.mcp.listing import MAX_TOOLS, Listing
from wegent_runner.agents.mcp.names import names_of
from wegent_runner.agents.mcp.schemas import SchemaRefused, parameters_of
from wegent_runner.agents.mcp.server import Server
from wegent_runner.agents.mcp.stdio import open_stdio
from wegent_runner.agents.mcp.wire import Code, Ended, Fault, Opener
from wegent_runner.engine.egress import EgressPolicy
from wegent_runner.engine.keys import Keys
from wegent_runner.engine.tools import Tool, ToolOutput, ToolSpec
from wegent_runner.plan.plan import McpServerPlan

MAX_SERVERS: Final = 32
"""Of one Bot: as many as two objects can name. A Ghost and its Skills could name 1,040, and a run
opens all at once."""
MAX_DECLARED_CHARACTERS: Final = 262_144
"""Size of all tools of a Bot together. They are a part of each call of the LLM."""
MAX_NAMED: Final = 10
"""Tools that a notice names."""
ALL: Final = "*"
SDK_LOGGERS: Final = ("mcp", "client", "httpx2")
"""Loggers that write what servers send and are sent, ids of sessions, or whole URLs."""
NEVER: Final = logging.CRITICAL + 1


class RequiredServerDown(Exception):  # noqa: N818 - names the event
    """A required server has no tools for a run. The message names the server and the remedy.

    Attributes:
        reason: The reason of the Task's end.
    """

    reason = "McpServerUnavailable"


@dataclass(frozen=True, slots=True)
class _Offered:
    """A tool that may be offered, before it has a name."""

    server: Server
    tool: types.Tool
    parameters: Mapping[str, Any]
    size: int


@dataclass(frozen=True, slots=True)
class McpTool:
    """A tool of an MCP server."""

    spec: ToolSpec
    server: Server
    own_name: str
    """The name that the server has for it."""

    async def call(self, arguments: Mapping[str, Any]) -> ToolOutput:
        """Call the tool. A failure is a result too, and no exception."""
        return await self.server.call(self.own_name, arguments, repeatable=self.spec.repeatable)


class McpClient:
    """Opens the MCP servers of runs, over one guarded transport. It is an async context manager.

    Args:
        keys: Values of headers that are in Secrets.
        policy: The addresses that may be called.
        stdio_permitted: True to start commands, with the rights of the runner.
    """

    def __init__(self, keys: Keys, policy: EgressPolicy, *, stdio_permitted: bool = False) -> None:
        self._keys = keys
        self._http = Http(policy)
        self._stdio_permitted = stdio_permitted
        for name in SDK_LOGGERS:
            logging.getLogger(name).setLevel(NEVER)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    def toolset(
        self,
        plans: Sequence[McpServerPlan],
        *,
        namespace: str = "",
        reserved: Collection[str] = (),
    ) -> "McpToolset":
        """Return the tools of a Bot, to be entered for a run.

        Args:
            plans: The Bot's servers.
            namespace: The Task's namespace, whose runs share a number of connections.
            reserved: Names of the runner's own tools.
        """
        http = self._http.of_run(namespace)
        servers = [self._server(plan, http) for plan in plans[:MAX_SERVERS]]
        return McpToolset(servers, reserved, plans[MAX_SERVERS:])

    def _server(self, plan: McpServerPlan, http: RunHttp) -> Server:
        headers = Headers(plan, self._keys)
        return Server(plan, headers, self._opener(plan, headers, http))

    def _opener(self, plan: McpServerPlan, headers: Headers, http: RunHttp) -> Opener:
        url, timeout_s = plan.url or "", plan.timeout_s
        if plan.transport == "stdio":
            if not self._stdio_permitted:
                return _not_permitted
            return lambda ended: open_stdio(plan, ended)
        if plan.transport == "sse":
            return lambda ended: open_sse(url, headers, http, timeout_s, ended)
        return lambda _: open_streamable_http(url, headers, http, timeout_s)


def _not_permitted(_: Ended) -> Any:
    raise Fault(
        Code.NOT_SENT,
        "type stdio is not permitted here; give the server a url, or, where all users are trusted,"
        " set WEGENT_RUNNER_STDIO_PERMITTED of the runner and WEGENT_OPERATOR_STDIO_PERMITTED of"
        " the operator (chart value stdioPermitted)",
    )


class McpToolset:
    """The tools of a Bot's servers for one run. It is an async context manager.

    Attributes:
        tools: Tools to offer to the LLM.
        notices: What the transcript says of servers and tools that are left out.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        reserved: Collection[str],
        left_out: Sequence[McpServerPlan] = (),
    ) -> None:
        self._servers = servers
        self._reserved = reserved
        self._left_out = left_out
        self.tools: Sequence[Tool] = ()
        self.notices: Sequence[str] = ()

    async def __aenter__(self) -> Self:
        """Connect all servers.

        Raises:
            RequiredServerDown: a required one is down.
        """
        notices = _tell_left_out(self._left_out)
        opening = [asyncio.create_task(self._open(server)) for server in self._servers]
        try:
            listings = await asyncio.gather(*opening)
            await self._offer(listings, notices)
        except BaseException:
            for task in opening:
                task.cancel()
            await asyncio.gather(*opening, return_exceptions=True)
            await self._close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def _close(self) -> None:
        await asyncio.gather(*(server.close() for server in self._servers))

    async def _open(self, server: Server) -> Listing | str:
        """Return a server's tools, or a notice that it is down."""
        plan = server.plan
        try:
            return await server.open()
        except Fault as fault:
            if plan.required:
                raise RequiredServerDown(
                    f"MCP server {plan.name}: {fault}; the run needs it (required: true)"
                ) from None
            return f"MCP server {plan.name}: {fault}; its tools are missing"

    async def _offer(self, listings: Sequence[Listing | str], notices: list[str]) -> None:
        """Set the tools, and add to the notices."""
        offered: list[_Offered] = []
        for server, listing in zip(self._servers, listings, strict=True):
            if isinstance(listing, str):
                notices.append(listing)
            else:
                offered += await _offered(server, listing, notices)
        kept = _within_bounds(offered, notices)
        names = names_of([(it.server.plan.name, it.tool.name) for it in kept], self._reserved)
        self.tools = [_tool(it, name) for it, name in zip(kept, names, strict=True)]
        self.notices = notices


def _tell_left_out(plans: Sequence[McpServerPlan]) -> list[str]:
    """Return a notice on the servers beyond ``MAX_SERVERS``, if there are any.

    Raises:
        RequiredServerDown: one of them is required.
    """
    if not plans:
        return []
    bound = f"a Bot has at most {MAX_SERVERS} MCP servers; use fewer Skills that bring servers"
    for plan in plans:
        if plan.required:
            raise RequiredServerDown(
                f"MCP server {plan.name}: {bound}; the run needs it (required: true)"
            )
    names = ", ".join(plan.name for plan in plans[:MAX_NAMED])
    more = f" and {len(plans) - MAX_NAMED:,} more" if len(plans) > MAX_NAMED else ""
    return [f"MCP servers {names}{more} are left out: {bound}"]


async def _offered(server: Server, listing: Listing, notices: list[str]) -> list[_Offered]:
    """Return the tools of a server that may be offered, and add notices on the others."""
    plan, about = server.plan, f"MCP server {server.plan.name}"
    left_out = dict(listing.invalid)
    if not listing.cut:
        for field in ("allowedTools", "requireApproval"):
            told = plan.allowed_tools if field == "allowedTools" else plan.require_approval
            _tell_unknown(f"{about}: {field}", told or (), {*listing.names, ALL}, notices)
    else:
        notices.append(f"{about} {listing.cut}")
    offered = []
    for tool in listing.tools:
        await asyncio.sleep(0)  # the first check of a schema takes milliseconds
        try:
            parameters = parameters_of(tool.input_schema)
        except SchemaRefused as refused:
            left_out[tool.name] = str(refused)
            continue
        declared = f"{tool.name}{tool.description}{parameters}"
        if server.has_secret(declared):
            left_out[tool.name] = "it shows the value of a header"
            continue
        offered.append(_Offered(server, tool, parameters, len(declared)))
    if left_out:
        notices.append(f"{about}: tools are left out: {_listed(server, left_out)}")
    return offered


def _listed(server: Server, left_out: Mapping[str, str]) -> str:
    """Return the first tools that are left out, each with the reason."""
    first = list(left_out.items())[:MAX_NAMED]
    told = [f"{server.told(name)!r}: {why}" for name, why in first]
    if more := len(left_out) - len(first):
        told.append(f"and {more:,} more")
    return "; ".join(told)


def _tell_unknown(
    field: str, names: Sequence[str], known: Collection[str], notices: list[str]
) -> None:
    """Add a notice if a field names tools that a server doesn't have."""
    unknown = [name for name in names if name not in known]
    if unknown:
        told = ", ".join(unknown[:MAX_NAMED]) + (", ..." if len(unknown) > MAX_NAMED else "")
        notices.append(f"{field} names tools that the server doesn't have: {told}")


def _within_bounds(offered: Sequence[_Offered], notices: list[str]) -> Sequence[_Offered]:
    """Return the first tools that an LLM can be told of, and add a notice on the rest."""
    size = 0
    for number, it in enumerate(offered):
        size += it.size
        if number == MAX_TOOLS or size > MAX_DECLARED_CHARACTERS:
            notices.append(
                f"tools from {it.tool.name!r} of MCP server {it.server.plan.name} on are left out:"
                f" a Bot has at most {MAX_TOOLS} tools with {MAX_DECLARED_CHARACTERS:,} characters;"
                " set allowedTools"
            )
            return offered[:number]
    return offered


def _tool(offered: _Offered, name: str) -> McpTool:
    tool, plan = offered.tool, offered.server.plan
    hints = tool.annotations
    spec = ToolSpec(
        name=name,
        description=tool.description or "",
        parameters=offered.parameters,
        server=plan.name,
        repeatable=hints is not None and bool(hints.read_only_hint or hints.idempotent_hint),
        needs_approval=ALL in plan.require_approval or tool.name in plan.require_approval,
        approver=plan.approver,
    )
    return McpTool(spec, offered.server, tool.name)
