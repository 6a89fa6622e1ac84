"""A server of a run: its session, opened again when it is lost, and the calls of its tools."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from wegent_runner.agents.mcp.headers import HeaderFault, Headers
from wegent_runner.agents.mcp.listing import Listing
from wegent_runner.agents.mcp.results import text_of
from wegent_runner.agents.mcp.session import Session
from wegent_runner.agents.mcp.wire import Code, Fault, Opener
from wegent_runner.engine.tools import ToolOutput
from wegent_runner.plan.plan import McpServerPlan
from wegent_runner.runs.text import storable

MAX_TOLD_CHARACTERS: Final = 500
"""Length at which the words of a server's error are cut."""
HEADERS_PAUSE_S: Final = 0.5
HEADERS_S: Final = 10.0
"""Seconds to wait for Secrets that can't be read yet. The operator gives the right to read one
shortly after a Ghost begins to refer to it."""
UNKNOWN: Final = "the tool may or may not have done its work"
NOT_BEGUN: Final = frozenset({Code.NOT_SENT, Code.SESSION_LOST})


class Server:
    """A server of one run.

    Args:
        plan: The server.
        headers: Its headers, whose secrets are struck out of all that it says.
        opener: Opens a connection to it.
    """

    def __init__(self, plan: McpServerPlan, headers: Headers, opener: Opener) -> None:
        self.plan = plan
        self._headers = headers
        self._opener = opener
        self._session: Session | None = None
        self._retired: list[Session] = []
        self._opening = asyncio.Lock()

    async def open(self) -> Listing:
        """Open the session and return the server's tools.

        Raises:
            Fault: the server is down. The message says why.
        """
        try:
            async with asyncio.timeout(self.plan.timeout_s):
                await self._wait_for_headers()
                session = Session(self._opener, self.plan.allowed_tools)
                listing = await session.start()
        except TimeoutError:
            told = f"the server did not answer within {self.plan.timeout_s:g} s"
            raise Fault(Code.NOT_SENT, told) from None
        except Fault as fault:
            raise Fault(fault.code, self.told(str(fault))) from None
        self._session = session
        return listing

    async def call(
        self, tool: str, arguments: Mapping[str, Any], *, repeatable: bool
    ) -> ToolOutput:
        """Call a tool, by the name that the server has for it.

        A call that the server has not begun is made again, if need be in a new session. Any other
        call is made again only if a second call does no harm.
        """
        try:
            async with asyncio.timeout(self.plan.timeout_s):
                return await self._call(tool, arguments, repeatable=repeatable)
        except TimeoutError:
            told = f"the tool did not answer within {self.plan.timeout_s:g} s"
            return self._failed(f"{told}; {UNKNOWN}")
        except Fault as fault:
            if fault.code is Code.CUT:
                return self._failed(f"{fault}; {UNKNOWN}")
            return self._failed(str(fault))

    async def close(self) -> None:
        """End the sessions."""
        sessions = [*self._retired, *((self._session,) if self._session else ())]
        await asyncio.gather(*(session.stop() for session in sessions))

    def told(self, text: str) -> str:
        """Return words of the server as they may be shown: short, and without secrets."""
        return storable(self._headers.strike(text))[:MAX_TOLD_CHARACTERS]

    def has_secret(self, text: str) -> bool:
        """Return True if a text has the value of a header that is in a Secret."""
        return self._headers.strike(text) != text

    async def _call(
        self, tool: str, arguments: Mapping[str, Any], *, repeatable: bool
    ) -> ToolOutput:
        session = await self._live()
        try:
            result = await session.call(tool, arguments)
        except Fault as fault:
            again = fault.code in NOT_BEGUN or (fault.code is Code.CUT and repeatable)
            if not again:
                raise
            session = await self._live()
            result = await session.call(tool, arguments)
        return ToolOutput(text_of(result, self._headers.strike), failed=result.is_error)

    async def _live(self) -> Session:
        """Return a session that can be called: the present one, or a new one.

        Raises:
            Fault: the server is down.
        """
        async with self._opening:  # so that calls at the same time open one session
            if self._session is None or self._session.is_over:
                await self._retire()
                await self.open()
            assert self._session is not None  # noqa: S101 - open sets it, or raises
            return self._session

    async def _retire(self) -> None:
        """Leave the present session. Calls that were begun in it may still be answered."""
        session, self._session = self._session, None
        if session is not None and session.is_busy:
            self._retired.append(session)
        elif session is not None:
            await session.stop()

    async def _wait_for_headers(self) -> None:
        """Wait until the Secrets of the headers can be read.

        Raises:
            Fault: they can't be used.
        """
        tries = int(HEADERS_S / HEADERS_PAUSE_S)
        for left in reversed(range(tries)):
            try:
                await self._headers.for_request(self.plan.url or "")
            except HeaderFault as fault:
                if not fault.passing or not left:
                    raise Fault(Code.NOT_SENT, str(fault)) from fault
                await asyncio.sleep(HEADERS_PAUSE_S)
            else:
                return

    def _failed(self, why: str) -> ToolOutput:
        return ToolOutput(f"MCP server {self.plan.name}: {self.told(why)}", failed=True)
