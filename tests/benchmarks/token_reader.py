"""Readers of many streams at once, in a process of their own: the load, and what it is compared to.

``python -m tests.benchmarks.token_reader`` reads a `Job` from its input. It prints a line once all
streams have begun, and at last a `Report`.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, Self

import aiohttp
import uvloop
from openai import AsyncOpenAI

TEXT = re.compile(rb'"(?:delta|content)": ?"([0-9. ]+)"')
"""The stamps in one event. The events at the end of a run have all of them again, elsewhere."""


BEGUN = "begun\n"


@dataclass(frozen=True)
class Job:
    """Streams to read.

    Attributes:
        way: ``events`` reads Tasks from the proxy. ``sdk`` and ``bytes`` call the provider with
            prompts: with OpenAI's SDK, or as bytes.
        url: Base URL of the proxy or the provider.
        items: Names of Tasks, or prompts.
        token: Token of the user.
        namespace: Namespace of the Tasks.
    """

    way: Literal["events", "sdk", "bytes"]
    url: str
    items: Sequence[str]
    token: str = ""
    namespace: str = ""


@dataclass(frozen=True)
class Report:
    """All stamped deltas, as monotonic times of their sending and seconds of their delay."""

    sent_at: list[float]
    delays_s: list[float]


class Reader:
    """A started reader; a context manager that ends it."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            __name__,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(self._job)).encode())
        self._process.stdin.close()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def begun(self) -> None:
        """Wait until each stream has had a delta."""
        assert self._process is not None
        assert self._process.stdout is not None
        assert await self._process.stdout.readline() == BEGUN.encode()

    async def report(self) -> Report:
        """Return all stamped deltas, once all streams have ended."""
        assert self._process is not None
        assert self._process.stdout is not None
        return Report(**json.loads(await self._process.stdout.read()))


class _Deltas:
    def __init__(self, streams: int) -> None:
        self._silent = set(range(streams))
        self.sent_at: list[float] = []
        self.delays_s: list[float] = []

    def take(self, stream: int, text: bytes) -> None:
        now = time.monotonic()
        if stream in self._silent:
            self._silent.discard(stream)
            if not self._silent:
                sys.stdout.write(BEGUN)
                sys.stdout.flush()
        for stamp in text.split():
            sent = float(stamp)
            self.sent_at.append(sent)
            self.delays_s.append(now - sent)


async def _read(job: Job) -> Report:
    deltas = _Deltas(len(job.items))
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        if job.way == "sdk":
            sdk = AsyncOpenAI(base_url=job.url, api_key="none", max_retries=0)
            await asyncio.gather(
                *(_with_sdk(sdk, job, number, deltas) for number in range(len(job.items)))
            )
        else:
            await asyncio.gather(
                *(_with_bytes(session, job, number, deltas) for number in range(len(job.items)))
            )
    return Report(deltas.sent_at, deltas.delays_s)


async def _with_sdk(sdk: AsyncOpenAI, job: Job, number: int, deltas: _Deltas) -> None:
    stream = await sdk.chat.completions.create(
        model="m", messages=[{"role": "user", "content": job.items[number]}], stream=True
    )
    async for chunk in stream:
        if chunk.choices and (text := chunk.choices[0].delta.content):
            deltas.take(number, text.encode())


async def _with_bytes(
    session: aiohttp.ClientSession, job: Job, number: int, deltas: _Deltas
) -> None:
    async for chunk in _chunks(session, job, job.items[number]):
        for text in TEXT.findall(chunk):
            deltas.take(number, text)


async def _chunks(session: aiohttp.ClientSession, job: Job, item: str) -> AsyncIterator[bytes]:
    if job.way == "events":
        opened = session.get(
            f"{job.url}/api/v1/kinds/tasks/{item}/events",
            params={"namespace": job.namespace},
            headers={"Authorization": f"Bearer {job.token}"},
        )
    else:
        body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": item}]}
        opened = session.post(f"{job.url}/chat/completions", json=body)
    async with opened as response:
        assert response.status == 200, await response.text()
        rest = b""
        async for chunk in response.content.iter_any():
            whole, end, rest = (rest + chunk).rpartition(b"\n\n")
            if end:
                yield whole


if __name__ == "__main__":
    report = uvloop.run(_read(Job(**json.loads(sys.stdin.read()))))
    sys.stdout.write(json.dumps(asdict(report)))
