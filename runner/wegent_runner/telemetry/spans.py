"""Spans of calls of tools, by OpenTelemetry's conventions for GenAI.

Arguments and results are left out, as are the words of a failure: they may be private.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace

EXECUTE_TOOL: Final = "execute_tool"
TOOL_FAILED: Final = "tool_failed"
"""Type of the error of a call whose result says that it has failed."""

Fail = Callable[[str], None]
"""Marks a span as failed, with the type of the error."""


@contextmanager
def tool_span(
    tool: str, *, server: str, call: str, bot: str, is_own: bool, pause: type[Exception]
) -> Iterator[Fail]:
    """Record what happens within as a call of a tool. Without an endpoint for spans, do nothing.

    Args:
        tool: Name of the tool, as the LLM has it.
        server: Name of its MCP server, or of the runner's own tools.
        call: Id of the call's item in the transcript.
        bot: ``namespace/name`` of the Bot that calls it.
        is_own: True for the runner's own tools.
        pause: Exception after which the call goes on later. It is no failure of the call.
    """
    attributes = {
        "gen_ai.operation.name": EXECUTE_TOOL,
        "gen_ai.tool.name": tool,
        "gen_ai.tool.type": "function" if is_own else "extension",
        "gen_ai.tool.call.id": call,
        "gen_ai.agent.name": bot,
        "wegent.mcp_server": server,
    }
    # The provider is looked up with each call: a program sets it once it has started.
    tracer = trace.get_tracer("wegent-runner")
    with tracer.start_as_current_span(
        f"{EXECUTE_TOOL} {tool}",
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:

        def fail(type_: str) -> None:
            span.set_attribute("error.type", type_)
            span.set_status(trace.StatusCode.ERROR)

        try:
            yield fail
        except pause:
            raise
        except BaseException as error:
            fail(type(error).__name__)
            raise
