"""The events of a response.

``response.created`` has the number 0 and ``response.in_progress`` the number 1. The events between
are the runner's own, with their positions as numbers. So a client can leave at any event, and
continue with ``starting_after``.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final

from wegent_api.http.errors import Problem
from wegent_api.http.sse import Frames, frame
from wegent_api.openai_api.errors import error_body, server_error
from wegent_api.openai_api.response_object import response_body
from wegent_api.openai_api.run_events import (
    ENDED,
    ERROR,
    POSITION_MASK,
    Ending,
    Lasting,
    Output,
    TextIsRejected,
    TextIsVoid,
    event_id,
    events_of,
    sequence_number,
)
from wegent_api.openai_api.tasks import problem_of
from wegent_api.runs.blocks import RunEvent
from wegent_kube.encoding import encode_json

FINAL_EVENTS: Final[Mapping[str, str]] = {
    "completed": "response.completed",
    "incomplete": "response.incomplete",
    "cancelled": "response.failed",
    "failed": "response.failed",
}
"""Last event by the response's status. OpenAI has none of its own for a cancelled response."""
ReadItems = Callable[[dict[str, Any]], Awaitable[list[dict[str, Any]]]]
CREATED: Final = 0
IN_PROGRESS: Final = 1
RESTARTED: Final = "run_restarted"
"""Code of the error that ends a stream after void text."""
READ_AGAIN: Final = "retrieve the response with stream=true to read it from its beginning"


class ResponseStream:
    """The stream of one response.

    Args:
        task: the Task.
        frames: the frames of its run, after the event `after`.
        items: returns all items of an ended run, for a client that has not read all of it here.
        after: sequence number of the last event that the client has, or -1.
    """

    def __init__(
        self, task: dict[str, Any], frames: Frames, items: ReadItems, after: int = -1
    ) -> None:
        self._task = task
        self._frames = frames
        self._items = items
        self._after = after
        self._number = after
        self._output = Output()
        self._lasting = Lasting(after & POSITION_MASK if after > 0 else 0)

    async def events(self) -> Frames:
        """Yield the frames of the response's events."""
        begun = {**response_body(self._task), "status": "in_progress"}
        for number, name in ((CREATED, "created"), (IN_PROGRESS, "in_progress")):
            if number > self._after:
                yield self._frame(f"response.{name}", number, {"response": begun})
        async with aclosing(self._frames):
            async for event in events_of(self._frames):
                if event.type in {ENDED, ERROR}:
                    if last := await self._last(event):
                        yield last
                    return
                self._output.take(event)
                try:
                    ready = self._lasting.take(event)
                except TextIsVoid as error:
                    yield self._error(server_error(f"{void(error)}; {READ_AGAIN}", RESTARTED))
                    return
                if ready:
                    yield b"".join(
                        self._frame(it.type, sequence_number(it), it.data) for it in ready
                    )

    async def _last(self, event: RunEvent) -> bytes:
        """Return the last event; empty if the client has it already."""
        if event.type == ERROR:
            return self._problem(problem_of(event.data))
        number = sequence_number(event) if event.id else self._number + 1
        if number <= self._after:  # the client has it
            return b""
        items = self._output.items
        if self._after > IN_PROGRESS:
            try:
                items = await self._items(self._task) or items
            except Problem as problem:
                return self._problem(problem)
        body = response_body(self._task, Ending.of(event.data, items))
        return self._frame(FINAL_EVENTS[body["status"]], number, {"response": body})

    def _problem(self, problem: Problem) -> bytes:
        return self._error(error_body(problem))

    def _error(self, error: Mapping[str, Any]) -> bytes:
        """Return the event of an error.

        OpenAI's documentation has the members beside ``type``, and its service sends them in
        ``error``. SDKs raise their exception only for the latter.
        """
        members = {"code": error["code"] or error["type"], "message": error["message"]}
        return self._frame(
            "error", self._number + 1, {**members, "param": error["param"], "error": error}
        )

    def _frame(self, kind: str, number: int, data: Mapping[str, Any]) -> bytes:
        self._number = number
        return frame(kind, encode_json({**data, "type": kind, "sequence_number": number}))


def void(error: TextIsVoid) -> str:
    """Return why text that was sent is void."""
    if isinstance(error, TextIsRejected):
        return "a person has asked for another answer, and the text that was sent is void"
    return "the run has begun again, and the text that was sent is void"


def run_position(after: int) -> str:
    """Return the id of the run's event with a sequence number."""
    return event_id(after) if after >= IN_PROGRESS else ""
