"""Tasks made for OpenAI's clients, and the wait for their end."""

from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from wegent_api.http.bearer import Caller
from wegent_api.http.errors import UpstreamStatus
from wegent_api.http.sse import frame
from wegent_api.openai_api.responses_routes import _previous
from wegent_api.openai_api.tasks import TITLE_MAX, Conversations, _title

NOTHING = cast("Any", None)


@pytest.mark.parametrize(
    ("prompt", "title"),
    [
        ("Say hello.", "Say hello."),
        ("  ", "Untitled"),
        ("word " * 40, "word " * 14 + "word…"),
        ("請" * 200, "請" * (TITLE_MAX - 1) + "…"),
        ("Translate: " + "請" * 200, "Translate: " + "請" * (TITLE_MAX - 12) + "…"),
    ],
    ids=["short", "empty", "words", "no spaces", "one space"],
)
def test_a_title_has_the_beginning_of_the_prompt(prompt: str, title: str) -> None:
    assert _title(prompt) == title
    assert len(title) <= TITLE_MAX


async def test_a_run_that_cannot_be_followed_is_left_at_once() -> None:
    left = False

    async def frames(*_: Any) -> AsyncGenerator[bytes, None]:
        nonlocal left
        try:
            yield frame("error", b'{"code": 403, "message": "no"}')
            yield frame("error", b'{"code": 403, "message": "no"}')
        finally:
            left = True

    writer = SimpleNamespace(caller=Caller("token"))
    follower = SimpleNamespace(frames=frames)
    told = Conversations(cast("Any", writer), cast("Any", follower), NOTHING, NOTHING)
    with pytest.raises(UpstreamStatus):
        await told.end_of({})
    assert left


async def test_the_phase_of_a_previous_response_needs_no_transcript() -> None:
    class Follower:
        async def task(self, *_: Any) -> dict[str, Any]:
            return {"metadata": {}, "spec": {}, "status": {"phase": "Completed"}}

    writer = SimpleNamespace(caller=Caller("token"))
    told = Conversations(cast("Any", writer), cast("Any", Follower()), NOTHING, NOTHING)
    assert await _previous(told, "resp_blue_t", "blue") == "t"
