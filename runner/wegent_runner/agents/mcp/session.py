"""One session with an MCP server, in a task of its own.

The SDK's scopes must be left in the task that entered them, and a failing connection cancels that
task. So each session has one, and neither a run nor another session is touched.
"""

import asyncio
import contextvars
import logging
import random
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import mcp_types as types
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from opentelemetry import context, trace
from pydantic import TypeAdapter, ValidationError

from wegent_runner.agents.mcp.listing import Listing, Sieve, SiftedStream, list_tools
from wegent_runner.agents.mcp.wire import END_S, Code, Fault, Opener, TransportStreams

logger = logging.getLogger(__name__)

ABOUT: Final = types.Implementation(name="wegent-runner", version="1")
LEFT_S: Final = 0.5
"""Seconds for a session to end after it was cancelled. Then it is left to itself."""
_RESULT: Final[TypeAdapter[types.CallToolResult | types.InputRequiredResult]] = TypeAdapter(
    types.CallToolResult | types.InputRequiredResult
)


class Session:
    """A session. ``start`` it, call tools, and ``stop`` it.

    Args:
        opener: Opens the connection.
        allowed: Names of the tools that may be offered; None for all.
    """

    def __init__(self, opener: Opener, allowed: Collection[str] | None) -> None:
        self._opener = opener
        self._sieve = Sieve(allowed)
        self._stopping = asyncio.Event()
        self._ready: asyncio.Future[tuple[Client, Listing]] | None = None
        self._task: asyncio.Task[None] | None = None
        self._calls: set[asyncio.Task[Any]] = set()
        self._client: Client | None = None
        self._why = ""

    @property
    def is_over(self) -> bool:
        """True if no further call can be made. Calls that were begun may still be answered."""
        return bool(self._why) or self._task is None or self._task.done()

    @property
    def is_busy(self) -> bool:
        """True if a call was begun and has no result yet."""
        return bool(self._calls)

    async def start(self) -> Listing:
        """Connect and return the server's tools.

        Raises:
            Fault: the server is down, or doesn't speak the protocol.
        """
        self._ready = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(self._ready), context=_untraced())
        try:
            self._client, listing = await self._ready
        except BaseException:
            await self.stop()
            raise
        return listing

    async def call(self, name: str, arguments: Mapping[str, Any]) -> types.CallToolResult:
        """Call a tool.

        Raises:
            Fault: the call has no result; its code tells whether the server has begun it.
        """
        if self.is_over or self._client is None or self._task is None:
            raise Fault(Code.NOT_SENT, self._why or "the connection has ended")
        # A call that is given up tells the server so, and may take seconds for that.
        call = asyncio.create_task(
            self._client.session.send_request(
                types.CallToolRequest(
                    params=types.CallToolRequestParams(name=name, arguments=dict(arguments))
                ),
                _RESULT,
            ),
            context=_untraced(),
        )
        self._calls.add(call)
        call.add_done_callback(self._forget)
        try:
            await asyncio.wait({call, self._task}, return_when=asyncio.FIRST_COMPLETED)
            if not call.done():
                raise Fault(Code.CUT, self._why or "the connection has ended")
        finally:
            call.cancel()
        try:
            result = call.result()
        except MCPError as error:
            raise self._fault_of(error) from None  # the cause may hold what the server sent
        except ValidationError:
            raise Fault(Code.REFUSED, "the result has not the form of MCP") from None
        except Exception as error:  # noqa: BLE001 - the SDK lets errors of its streams through
            raise Fault(Code.CUT, self._why or _words(error)) from None
        if isinstance(result, types.InputRequiredResult):
            raise Fault(Code.REFUSED, "the tool asks for further input, which is not given")
        return result

    async def stop(self) -> None:
        """End the session within a second, and close its connections."""
        self._stopping.set()
        self._why = self._why or "the session has ended"
        tasks = {*self._calls, *((self._task,) if self._task else ())}
        for limit_s in (END_S if self._client else 0.0, LEFT_S):
            if tasks:
                _, tasks = await asyncio.wait(tasks, timeout=limit_s)
            for task in tasks:
                task.cancel()
        if tasks:
            logger.warning("a session with an MCP server does not end")

    def _ended(self, why: str) -> None:
        """Note that the connection has ended, and let the calls and the task end."""
        self._why = self._why or why
        self._stopping.set()

    def _forget(self, call: asyncio.Task[Any]) -> None:
        self._calls.discard(call)
        if not call.cancelled():
            call.exception()  # so that asyncio doesn't log it

    def _fault_of(self, error: MCPError) -> Fault:
        if error.code in set(Code):
            fault = Fault(Code(error.code), error.message)
            if fault.code is Code.SESSION_LOST:
                self._why = self._why or error.message
            return fault
        if error.code in {types.CONNECTION_CLOSED, types.REQUEST_TIMEOUT}:
            return Fault(Code.CUT, self._why or error.message)
        return Fault(Code.REFUSED, error.message)

    async def _run(self, ready: asyncio.Future[tuple[Client, Listing]]) -> None:
        """Hold the session open until it is stopped."""
        try:
            await self._hold(ready)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - the SDK raises groups of any errors
            self._why = self._why or _words(error)
        finally:
            self._why = self._why or "the connection has ended"
            if not ready.done():
                ready.set_exception(Fault(Code.NOT_SENT, self._why))
                ready.exception()  # so that asyncio doesn't log it if nobody waits any more

    async def _hold(self, ready: asyncio.Future[tuple[Client, Listing]]) -> None:
        transport = _sifting(self._opener(self._ended), self._sieve)
        client = Client(transport, client_info=ABOUT, cache=None)
        async with client:
            listing = await list_tools(client.session, self._sieve)
            if not ready.done():
                ready.set_result((client, listing))
            await self._stopping.wait()


@asynccontextmanager
async def _sifting(
    opened: AbstractAsyncContextManager[TransportStreams], sieve: Sieve
) -> AsyncIterator[TransportStreams]:
    async with opened as (reading, writing):
        yield SiftedStream(reading, sieve), writing


def _words(error: BaseException) -> str:
    """Return the cause of an error in words, without anything that a server has sent in it.

    The runner's own faults and the errors of MCP have words; other errors have their type.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, Fault | MCPError | OSError):
        return str(error)
    if isinstance(error, ValidationError):
        return "the answer has not the form of MCP"
    return f"the connection failed ({type(error).__name__})"


def _untraced() -> contextvars.Context:
    """Return a copy of the current context in which the SDK records no traces.

    Its spans would have the words of a server's errors. A parent that isn't sampled prevents them.
    """
    here = contextvars.copy_context()
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return here  # traces are disabled
    current = trace.get_current_span().get_span_context()
    parent = trace.SpanContext(
        current.trace_id or random.getrandbits(128),
        current.span_id or random.getrandbits(64),
        is_remote=False,
        trace_flags=trace.TraceFlags(trace.TraceFlags.DEFAULT),
    )
    here.run(context.attach, trace.set_span_in_context(trace.NonRecordingSpan(parent)))
    return here
