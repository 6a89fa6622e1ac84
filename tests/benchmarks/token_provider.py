"""An LLM provider for load: ``python -m tests.benchmarks.token_provider``, a process of its own.

It answers OpenAI's chat completions from a bare asyncio protocol, which costs some 10 µs a delta.
So it is not the limit of a measurement. The prompt of a call is the `Course` of its answer.
"""

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, cast

import uvloop

from devcluster.ports import free_ports
from tests.support.starting import await_start

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
    b"Connection: keep-alive\r\n\r\n"
)
END = "data: [DONE]\n\n"
BUFFER_BYTES = 64 << 10
"""Unsent bytes of a client above which its stream pauses."""
STARTS_WITHIN_S = 20.0


@dataclass(frozen=True)
class Course:
    """The course of one answer.

    Attributes:
        key: Name under which the calls are counted.
        deltas: Number of deltas.
        pause_s: Pause before each write but the first one.
        first_s: Pause before the first write.
        per_write: Deltas in each write.
        text: ``stamp`` makes each delta the monotonic time of its sending. ``count`` makes it its
            number, with characters of one to four bytes, the same in each call.
    """

    key: str
    deltas: int = 10
    pause_s: float = 0.02
    first_s: float = 0.0
    per_write: int = 1
    text: Literal["stamp", "count"] = "count"

    @property
    def prompt(self) -> str:
        """The prompt that asks for this course."""
        return json.dumps(asdict(self))

    @property
    def whole(self) -> str:
        """The whole text of an answer whose text is ``count``."""
        return "".join(map(counted, range(self.deltas)))


@dataclass(frozen=True)
class Stats:
    """The calls so far.

    Attributes:
        sent: Number of deltas.
        calls: Number of calls by key.
        whole: Number of calls by key that were answered to the end.
        received: Monotonic time of the last call by key.
        first: Monotonic time of the first delta of the last call by key.
        closed: Monotonic time at which the client closed the connection within an answer, by key.
    """

    sent: int
    calls: dict[str, int]
    whole: dict[str, int]
    received: dict[str, float]
    first: dict[str, float]
    closed: dict[str, float]


class TokenProvider:
    """The running program; a context manager."""

    def __init__(self) -> None:
        self.port = free_ports(1)[0]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """``baseUrl`` of a Model."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        self._process = subprocess.Popen([sys.executable, "-m", __name__, str(self.port)])
        await_start(
            self._process,
            self._answers,
            within_s=STARTS_WITHIN_S,
            said=lambda: "the provider's output is above",
            end=self.__exit__,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(STARTS_WITHIN_S)

    def _answers(self) -> bool:
        try:
            self.stats()
        except OSError:
            return False
        return True

    def stats(self) -> Stats:
        """Return the calls so far."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats", timeout=10) as answer:
            return Stats(**json.loads(answer.read()))


def counted(number: int) -> str:
    """Return the delta of a number."""
    return f"{number}\u00b7\u667a\N{GRINNING FACE} "


class _Counts:
    def __init__(self) -> None:
        self.sent = 0
        self.calls: dict[str, int] = defaultdict(int)
        self.whole: dict[str, int] = defaultdict(int)
        self.received: dict[str, float] = {}
        self.first: dict[str, float] = {}
        self.closed: dict[str, float] = {}


class _Connection(asyncio.Protocol):
    """One connection, with one answer at a time."""

    def __init__(self, counts: _Counts) -> None:
        self._counts = counts
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._course: Course | None = None
        self._number = 0
        self._due = 0.0
        self._frame = ("", "")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has no such base

    def connection_lost(self, _: Exception | None) -> None:
        if self._course is not None:
            self._counts.closed[self._course.key] = time.monotonic()
            self._course = None

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank:
            return
        lines = dict(
            line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line
        )
        length = int(lines.get(b"content-length", b"0"))
        if len(body) < length:
            return
        self._received = body[length:]
        if head.startswith(b"GET"):
            page = json.dumps(vars(self._counts)).encode()
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(page))
            self._transport.write(page)
        else:
            self._begin(json.loads(body[:length]))

    def _begin(self, body: dict[str, Any]) -> None:
        course = Course(**json.loads(body["messages"][-1]["content"]))
        self._counts.calls[course.key] += 1
        self._counts.received[course.key] = time.monotonic()
        frame = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": body["model"],
        }
        before = json.dumps(frame)[:-1]
        self._frame = (f'data: {before}, "choices": [', "}\n\n")
        self._course, self._number = course, 0
        self._transport.write(HEAD)
        self._due = self._loop.time() + course.first_s
        self._loop.call_at(self._due, self._send)

    def _send(self) -> None:
        course = self._course
        if course is None:
            return
        if self._transport.get_write_buffer_size() > BUFFER_BYTES:
            self._loop.call_later(0.005, self._send)
            return
        now = time.monotonic()
        if self._number == 0:
            self._counts.first[course.key] = now
        last = min(self._number + course.per_write, course.deltas)
        self._write("".join(self._delta(number, now) for number in range(self._number, last)))
        self._counts.sent += last - self._number
        self._number = last
        if last < course.deltas:
            self._due += course.pause_s
            self._loop.call_at(self._due, self._send)
        else:
            self._end(course)

    def _delta(self, number: int, now: float) -> str:
        assert self._course is not None
        text = f"{now:.4f} " if self._course.text == "stamp" else counted(number)
        before, after = self._frame
        choice = f'{{"index": 0, "delta": {{"content": "{text}"}}, "finish_reason": null}}]'
        return before + choice + after

    def _end(self, course: Course) -> None:
        before, after = self._frame
        usage = {"prompt_tokens": 7, "completion_tokens": course.deltas, "total_tokens": 7}
        usage["total_tokens"] += course.deltas
        stop = before + '{"index": 0, "delta": {}, "finish_reason": "stop"}]' + after
        self._write(stop + before + f'], "usage": {json.dumps(usage)}' + after + END)
        self._transport.write(b"0\r\n\r\n")
        self._counts.whole[course.key] += 1
        self._course = None

    def _write(self, text: str) -> None:
        data = text.encode()
        self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))


async def _serve(port: int) -> None:
    counts = _Counts()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(counts), "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
