"""Tasks as chat completions, whole and in chunks."""

from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any, Final

from wegent_api.http.sse import Frames
from wegent_api.openai_api.errors import error_body, server_error
from wegent_api.openai_api.ids import TaskId, model_of
from wegent_api.openai_api.response_object import unix_time
from wegent_api.openai_api.response_stream import RESTARTED, void
from wegent_api.openai_api.run_events import (
    DELTA,
    ENDED,
    ERROR,
    Ending,
    Lasting,
    Output,
    TextIsRejected,
    TextIsVoid,
    events_of,
)
from wegent_api.openai_api.tasks import problem_of
from wegent_crds.phases import Phase
from wegent_kube.encoding import encode_json

Chunk = Callable[[dict[str, Any], str | None], bytes]
"""Returns the chunk with a delta and the reason of the end, if it is the last."""
DONE: Final = b"data: [DONE]\n\n"
BETWEEN_ITEMS: Final = "\n\n"


def completion_body(task: dict[str, Any], ending: Ending) -> dict[str, Any]:
    """Return the chat completion of a Task whose run has completed."""
    message = {"role": "assistant", "content": ending.text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _reason(ending)}
    return {
        **_head(task, "chat.completion"),
        "choices": [choice],
        "usage": _usage(ending.usage),
    }


def failure_of(ending: Ending) -> dict[str, Any] | None:
    """Return the ``error`` of a run that has not completed, or None."""
    if ending.phase == Phase.COMPLETED:
        return None
    code = "cancelled" if ending.phase == Phase.CANCELLED else None
    return server_error(ending.message or f"The Task's phase is {ending.phase}.", code)


async def chunks(task: dict[str, Any], frames: Frames, *, include_usage: bool) -> Frames:
    """Yield a chat completion in chunks.

    The first has the role, the last the reason of the end. With ``include_usage``, one with the
    usage follows. After an error, the stream ends.
    """
    head = _head(task, "chat.completion.chunk")
    usage = {"usage": None} if include_usage else {}

    def chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return _data({**head, "choices": [choice], **usage})

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    lasting, output, item = Lasting(), Output(), None
    async with aclosing(frames):
        async for event in events_of(frames):
            if event.type == ERROR:
                yield _data({"error": error_body(problem_of(event.data))})
                return
            if event.type == ENDED:
                ending = Ending.of(event.data, output.items)
                for last in _last(head, ending, chunk, include_usage=include_usage):
                    yield last
                return
            output.take(event)
            try:
                ready = lasting.take(event)
            except TextIsVoid as error:
                yield _data({"error": _void(error)})
                return
            for it in ready:
                if it.type == DELTA:
                    before = BETWEEN_ITEMS if item not in {None, it.data["item_id"]} else ""
                    item = it.data["item_id"]
                    yield chunk({"content": before + it.data["delta"]})


def _last(
    head: Mapping[str, Any], ending: Ending, chunk: Chunk, *, include_usage: bool
) -> list[bytes]:
    """Return the chunks after the last text."""
    if (error := failure_of(ending)) is not None:
        return [_data({"error": error})]
    last = [chunk({}, _reason(ending))]
    if include_usage:
        last.append(_data({**head, "choices": [], "usage": _usage(ending.usage)}))
    return [*last, DONE]


def _head(task: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        "id": TaskId.of(task).completion(),
        "object": kind,
        "created": unix_time(task["metadata"]["creationTimestamp"]),
        "model": model_of(task),
    }


def _reason(ending: Ending) -> str:
    return "length" if ending.truncated else "stop"


def _void(error: TextIsVoid) -> dict[str, Any]:
    remedy = "send the request again"
    if isinstance(error, TextIsRejected):
        remedy = "the Task goes on, and its status.result will be the answer"
    return server_error(f"{void(error)}; {remedy}", RESTARTED)


def _usage(used: Mapping[str, Any]) -> dict[str, Any]:
    read, written = used.get("inputTokens", 0), used.get("outputTokens", 0)
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": used.get("cachedInputTokens", 0)},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _data(body: Mapping[str, Any]) -> bytes:
    return b"data: " + encode_json(body) + b"\n\n"
