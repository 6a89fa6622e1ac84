"""A stream ends with the run, or says that it can't go on; a failure that passes is not seen."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from tests.support.waiting import eventually
from wegent_api.http.bearer import Caller
from wegent_api.http.errors import Problem, TooManyRequests, Unavailable, UpstreamStatus
from wegent_api.runs.blocks import RunEvent, events_in
from wegent_api.runs.follow import Follower
from wegent_api.upstream.client import UserApi
from wegent_api.upstream.runners import NotHere, Runners
from wegent_api.upstream.watches import Watches
from wegent_crds.kinds.task_status import RESULT_MAX_CHARACTERS

CALLER = Caller("token")
DOWN = Unavailable("down")
FORBIDDEN = UpstreamStatus({"message": "no", "code": 403}, 403, {})


def task(phase: str, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "blue", "name": "t", "uid": "u", "resourceVersion": "1"},
        "spec": {},
        "status": {"phase": phase, "attempts": 1, **status},
    }


COMPLETED = task("Completed", result="abc")
CUT = task("Completed", result="a" * RESULT_MAX_CHARACTERS)
RUNNING = task("Running", claim={"holder": "one"})
PENDING = task("Pending", attempts=0)


def delta(position: int, text: str) -> bytes:
    return (
        f'id: 1.{position}\nevent: response.output_text.delta\ndata: {{"delta": "{text}"}}\n\n'
    ).encode()


def ended(position: int) -> bytes:
    return f'id: 1.{position}\nevent: run.ended\ndata: {{"phase": "Completed"}}\n\n'.encode()


Piece = bytes | Exception
Answer = list[Piece] | Exception


@dataclass
class Content:
    """The body of an answer: pieces that are there at once, or a failure."""

    pieces: Iterator[Piece]

    async def readany(self) -> bytes:
        piece = next(self.pieces, b"")
        if isinstance(piece, Exception):
            raise piece
        return piece


@dataclass
class Response:
    content: Content


@dataclass
class Fake:
    """API server and runners in one.

    Attributes:
        tasks: The answers to the requests for the Task; the last one is repeated.
        runners: The answers of each runner; the last one is repeated.
        watch: The error of each watch; None for one that ends at once.
    """

    tasks: list[dict[str, Any] | Problem] = field(default_factory=lambda: [COMPLETED])
    runners: dict[str, list[Answer]] = field(default_factory=dict)
    watch: Problem | None = None
    asked: list[float] = field(default_factory=list)
    after: list[str] = field(default_factory=list)

    async def request_json(self, caller: Caller, method: str, path: str) -> dict[str, Any]:
        assert (caller, method) == (CALLER, "GET")
        assert path.endswith("/namespaces/blue/tasks/t")
        self.asked.append(time.monotonic())
        answer = self.tasks.pop(0) if len(self.tasks) > 1 else self.tasks[0]
        if isinstance(answer, Problem):
            raise answer
        return answer

    def addresses(self, holder: str | None) -> list[str]:
        return [it for it in self.runners if holder in {None, it}]

    @asynccontextmanager
    async def open(self, first: Any, *args: Any, **_: Any) -> AsyncIterator[Any]:
        if isinstance(first, Caller):
            if self.watch is not None:
                raise self.watch
            yield _nothing()
            return
        answers = self.runners[first]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self.after.append(cast("Mapping[str, str]", args[1]).get("after", ""))
        if isinstance(answer, Exception):
            raise answer
        yield Response(Content(iter(answer)))


async def _nothing() -> AsyncIterator[bytes]:
    lines: list[bytes] = []
    for line in lines:
        yield line


async def follow(
    fake: Fake,
    first: dict[str, Any] = COMPLETED,
    *,
    look_again_s: float = 60,
    patience_s: float = 60,
    until: Callable[[RunEvent], bool] = lambda _: False,
) -> list[RunEvent]:
    follower = Follower(
        cast("UserApi", fake),
        cast("Watches", fake),
        cast("Runners", fake),
        look_again_s=look_again_s,
        patience_s=patience_s,
    )
    seen: list[RunEvent] = []
    async with asyncio.timeout(20):
        async for whole in follower.frames(CALLER, first, ""):
            seen += events_in(whole)
            if until(seen[-1]):
                break
    return seen


def text(events: list[RunEvent]) -> str:
    return "".join(it.data["delta"] for it in events if it.type == "response.output_text.delta")


async def test_a_finished_task_waits_for_a_runner_to_be_known() -> None:
    fake = Fake()
    following = asyncio.create_task(follow(fake))
    await eventually(lambda: fake.asked, within_s=30, what="a second look at the Task")
    fake.runners["one"] = [[delta(4, "abc"), ended(5)]]
    events = await following
    assert text(events) == "abc"
    assert events[-1].type == "run.ended"


async def test_a_runner_that_breaks_off_is_asked_for_the_rest() -> None:
    fake = Fake(runners={"one": [[delta(2, "a"), DOWN], DOWN, [delta(4, "bc"), ended(5)]]})
    events = await follow(fake)
    assert text(events) == "abc"
    assert fake.after == ["", "1.2", "1.2"]
    assert [it.type for it in events][-1] == "run.ended"


@pytest.mark.parametrize("answer", [DOWN, [delta(2, "a"), DOWN], [b""]], ids=["down", "cut", "no"])
async def test_a_stream_without_its_whole_text_ends_with_an_error(answer: Answer) -> None:
    answers: list[Answer] = [answer, DOWN] if answer != [b""] else [answer]
    fake = Fake(tasks=[CUT], runners={"one": answers})
    events = await follow(fake, CUT, patience_s=0.3)
    assert events[-1].type == "error"
    assert events[-1].data["code"] == 503
    assert "run.ended" not in {it.type for it in events}


async def test_a_task_without_a_transcript_ends_as_its_status_says() -> None:
    fake = Fake(runners={"dead": [DOWN], "one": [NotHere()]})
    (event,) = await follow(fake)
    assert event.type == "run.ended"
    assert event.data["result"] == "abc"


async def test_a_whole_result_stands_for_a_transcript_that_no_runner_gives() -> None:
    (event,) = await follow(Fake(), patience_s=0.3)
    assert (event.type, event.data["result"]) == ("run.ended", "abc")
    started = Fake(runners={"one": [[delta(2, "a"), DOWN], DOWN]})
    assert [it.type for it in await follow(started, patience_s=0.3)][-1] == "error"


async def test_a_right_that_is_lost_meanwhile_hides_the_result() -> None:
    events = await follow(Fake(tasks=[FORBIDDEN]), patience_s=5)
    assert [it.type for it in events] == ["error"]


async def test_the_end_is_told_once() -> None:
    events = await follow(Fake(runners={"one": [[ended(5), DOWN]], "two": [[ended(5)]]}))
    assert [it.type for it in events] == ["run.ended"]


@pytest.mark.parametrize("pieces", [1, 3], ids=["at once", "one by one"])
async def test_the_operators_end_of_a_task_is_the_end(pieces: int) -> None:
    timed_out = task("Failed", message="spec.timeoutSeconds: the Task timed out")
    parts = [delta(2, "a"), delta(4, "bc"), ended(5)]
    backlog: list[Piece] = [*parts] if pieces == len(parts) else [b"".join(parts)]
    events = await follow(Fake(tasks=[timed_out], runners={"one": [backlog]}), timed_out)
    assert text(events) == "abc"
    assert (events[-1].type, events[-1].id) == ("run.ended", "1.5")
    assert events[-1].data["phase"] == "Failed"
    assert events[-1].data["message"] == "spec.timeoutSeconds: the Task timed out"


async def test_a_task_that_no_runner_began_ends_without_any_runner() -> None:
    (event,) = await follow(Fake(), task("Cancelled", attempts=0))
    assert (event.type, event.data["phase"]) == ("run.ended", "Cancelled")


async def test_one_runner_without_the_transcript_is_not_the_last_word() -> None:
    fake = Fake(runners={"other": [NotHere()], "one": [[delta(4, "abc"), ended(5)]]})
    assert text(await follow(fake)) == "abc"


async def test_the_right_is_checked_while_a_backlog_flows() -> None:
    backlog: list[Piece] = [delta(number, "a") for number in range(2, 200_000)]
    fake = Fake(tasks=[FORBIDDEN], runners={"one": [backlog]})
    events = await follow(fake, RUNNING, look_again_s=0.2)
    assert events[-1].type == "error"
    assert events[-1].data["code"] == 403
    assert len(fake.asked) == 1
    assert len(events) < len(backlog)


async def test_a_look_at_the_task_does_not_end_a_long_text() -> None:
    pieces: list[Piece] = [delta(number, "a") for number in range(2, 22)]
    fake = Fake(runners={"one": [[*pieces, ended(22)]]})
    follower = Follower(
        cast("UserApi", fake), cast("Watches", fake), cast("Runners", fake), look_again_s=0.05
    )
    seen: list[RunEvent] = []
    async for whole in follower.frames(CALLER, COMPLETED, ""):
        for event in events_in(whole):
            seen.append(event)
            start = int(event.id.partition(".")[2]) - 1
            fake.runners["one"] = [[*pieces[start:], ended(22)]]
        await asyncio.sleep(0.02)
    assert text(seen) == "a" * 20
    assert seen[-1].type == "run.ended"
    assert fake.asked


@pytest.mark.parametrize("first", [RUNNING, PENDING], ids=["running", "pending"])
async def test_a_blip_of_the_api_server_is_not_seen(first: dict[str, Any]) -> None:
    fake = Fake(
        tasks=[DOWN, TooManyRequests("busy", retry_after_s=1), DOWN, COMPLETED],
        runners={"one": [DOWN, [delta(4, "abc"), ended(5)]]},
        watch=DOWN,
    )
    events = await follow(fake, first)
    assert text(events) == "abc"
    assert {it.type for it in events} <= {"run.waiting", "response.output_text.delta", "run.ended"}


async def test_an_outage_of_the_api_server_ends_the_stream_in_the_end() -> None:
    events = await follow(Fake(tasks=[DOWN]), PENDING, patience_s=0.5)
    assert [it.type for it in events] == ["run.waiting", "error"]


@pytest.mark.parametrize("watch", [None, FORBIDDEN], ids=["cut", "forbidden"])
async def test_a_task_that_waits_is_read_now_and_then(watch: Problem | None) -> None:
    fake = Fake(tasks=[PENDING], watch=watch)
    following = asyncio.create_task(follow(fake, PENDING, until=lambda it: it.type == "run.ended"))
    await asyncio.sleep(2)
    assert 1 <= len(fake.asked) <= 6
    fake.tasks = [task("Cancelled", attempts=0)]
    events = await following
    assert [it.type for it in events] == ["run.waiting", "run.ended"]
