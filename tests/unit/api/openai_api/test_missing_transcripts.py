"""No part of an answer is taken for the whole while no runner gives the transcript."""

from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest

from tests.unit.api.openai_api.frames import encoded
from wegent_api.http.errors import NotFound, Problem, Unavailable
from wegent_api.openai_api.response_stream import ResponseStream
from wegent_api.openai_api.tasks import Conversations
from wegent_api.runs.blocks import RunEvent, events_in
from wegent_crds.kinds.task_status import RESULT_MAX_CHARACTERS

DOWN = Unavailable("no runner is running")


def task(phase: str, result: str | None = None) -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "blue",
            "name": "t",
            "uid": "u",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"botRef": {"name": "b"}, "prompt": "Hi"},
        "status": {"phase": phase, "attempts": 1, **({"result": result} if result else {})},
    }


def conversations(failure: Problem) -> Conversations:
    class Runners:
        async def read(self, _: Any) -> Any:
            raise failure

    nothing = cast("Any", None)
    return Conversations(nothing, nothing, cast("Any", Runners()), nothing)


async def test_a_whole_result_needs_no_transcript() -> None:
    for failure in (DOWN, NotFound("none")):
        ending = await conversations(failure).ending(task("Completed", "abc"))
        assert ending is not None
        assert ending.text == "abc"


async def test_the_operators_end_of_a_task_is_the_end() -> None:
    stored = {"phase": "Completed", "message": "", "usage": {"inputTokens": 3}}

    class Runners:
        async def read(self, _: Any) -> Any:
            return {"outcome": stored, "items": []}

    nothing = cast("Any", None)
    told = Conversations(nothing, nothing, cast("Any", Runners()), nothing)
    cancelled = task("Cancelled")
    cancelled["status"]["message"] = "spec.cancel: the runner did not stop"
    ending = await told.ending(cancelled)
    assert ending is not None
    assert (ending.phase, ending.message) == ("Cancelled", "spec.cancel: the runner did not stop")
    assert ending.usage == {"inputTokens": 3}
    earlier = await told.ending(task("Running"))
    assert earlier is not None
    assert earlier.phase == "Completed"


async def test_a_run_that_goes_on_has_no_end() -> None:
    assert await conversations(DOWN).ending(task("Running")) is None


async def test_a_result_that_is_cut_is_not_the_answer() -> None:
    cut = task("Completed", "a" * RESULT_MAX_CHARACTERS)
    with pytest.raises(Unavailable):
        await conversations(DOWN).ending(cut)


async def test_the_last_event_of_a_resumed_stream_has_all_items_or_is_an_error() -> None:
    async def frames() -> AsyncGenerator[bytes, None]:
        yield encoded(RunEvent("run.ended", {"phase": "Completed"}, "1.20"))

    async def items(_: Any) -> list[dict[str, Any]]:
        raise DOWN

    stream = ResponseStream(task("Completed"), frames(), items, after=10)
    events = [it async for whole in stream.events() for it in events_in(whole)]
    assert [it.type for it in events] == ["error"]
    assert events[0].data["message"] == "no runner is running"
