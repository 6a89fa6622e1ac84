"""A load generator for HTTP/1.1: prepared bytes out, status and length in, and no more.

``python -m tests.benchmarks.proxy_speed.load`` reads a `Load` as JSON on stdin and prints a
`Result`. It runs as a program of its own, so that its CPU time can be told apart.
"""

import asyncio
import json
import re
import ssl
import statistics
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop

from wegent_kube.content_types import JSON, MERGE_PATCH

NUMBER = b"@@@@@@@"
"""Replaced by the number of a request, in as many digits."""
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LAST_CHUNK = b"\r\n0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Load:
    """Requests of one kind, sent by several clients at once, each one after its last answer."""

    url: str
    """With ``@@@@@@@`` where the request's number belongs, if anywhere."""
    token: str
    at_once: int
    requests: int
    method: str = "GET"
    body: str = ""
    """As ``url``."""
    patch: str = ""
    """As ``url``: a merge patch that is sent before each request, and counts as a part of it."""
    ca_file: str = ""
    first: int = 0
    """Number of the first request."""
    statuses: list[int] = field(default_factory=lambda: [200, 201, 204])


@dataclass(frozen=True, slots=True)
class Result:
    """The answers to a load."""

    requests: int
    seconds: float
    cpu_s: float
    """CPU time of the load generator itself."""
    median_ms: float
    p99_ms: float

    @property
    def per_s(self) -> float:
        """Answers per second."""
        return self.requests / self.seconds


class _Client(asyncio.Protocol):
    """Sends requests on one connection until none is left."""

    def __init__(self, work: "_Work") -> None:
        self._work = work
        self._buffer = b""
        self._begun = 0.0
        self._rest: list[bytes] = []
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError(f"closed after {self._buffer[:500]!r}"))

    def send(self) -> None:
        """Send the next request."""
        requests = next(self._work.requests, None)
        if requests is None:
            self.done.set_result(None)
            return
        self._begun = time.perf_counter()
        self._rest = requests
        self._transport.write(requests.pop(0))

    def data_received(self, data: bytes) -> None:
        self._buffer = buffer = self._buffer + data if self._buffer else data
        head = buffer.find(b"\r\n\r\n") + 4
        if head < 4:
            return
        status = int(buffer[9:12])
        length = _LENGTH.search(buffer, 0, head)
        if length and len(buffer) < head + int(length[1]):
            return
        if not length and status != 204 and not buffer.endswith(_LAST_CHUNK):
            return
        if status not in self._work.statuses:
            self.done.set_exception(AssertionError(buffer[:2000]))
            return
        self._buffer = b""
        if self._rest:
            self._transport.write(self._rest.pop(0))
            return
        self._work.times.append(time.perf_counter() - self._begun)
        self.send()


class _Work:
    """The requests that are left, and the times of those that are answered."""

    def __init__(self, load: Load) -> None:
        templates = [_request(load, "PATCH", load.patch, MERGE_PATCH)] if load.patch else []
        templates.append(_request(load, load.method, load.body, JSON))
        self.statuses = frozenset(load.statuses)
        self.times: list[float] = []
        self.requests = (
            [template.replace(NUMBER, b"%07d" % number) for template in templates]
            for number in range(load.first, load.first + load.requests)
        )


def _request(load: Load, method: str, text: str, type_: str) -> bytes:
    url = urlsplit(load.url)
    path = url.path + (f"?{url.query}" if url.query else "")
    lines = [f"{method} {path} HTTP/1.1", f"Host: {url.netloc}"]
    lines += [f"Authorization: Bearer {load.token}", "Accept: application/json"]
    body = text.encode()
    if body:
        lines += [f"Content-Type: {type_}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def run(load: Load) -> Result:
    """Open all connections, then send the load."""
    work, url, loop = _Work(load), urlsplit(load.url), asyncio.get_running_loop()
    tls = ssl.create_default_context(cafile=load.ca_file) if load.ca_file else None
    host, port = str(url.hostname), int(url.port or 0)
    clients = [
        (await loop.create_connection(lambda: _Client(work), host, port, ssl=tls))[1]
        for _ in range(load.at_once)
    ]
    begun, cpu = time.perf_counter(), time.process_time()
    for client in clients:
        client.send()
    await asyncio.gather(*(client.done for client in clients))
    seconds, times = time.perf_counter() - begun, sorted(work.times)
    return Result(
        len(times),
        seconds,
        time.process_time() - cpu,
        statistics.median(times) * 1000,
        times[int(len(times) * 0.99)] * 1000,
    )


async def generate(load: Load) -> Result:
    """Run the load in a program of its own.

    Raises:
        AssertionError: an answer had another status, or a connection ended early.
    """
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.benchmarks.proxy_speed.load"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    try:
        out, _ = await program.communicate(json.dumps(asdict(load)).encode())
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
    assert program.returncode == 0
    return Result(**json.loads(out))


if __name__ == "__main__":
    json.dump(asdict(uvloop.run(run(Load(**json.load(sys.stdin))))), sys.stdout)
