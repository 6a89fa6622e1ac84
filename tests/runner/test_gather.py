"""A long answer is read in few chunks, its beginning at once, and no received byte is lost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx2
import pytest

from tests.runner.test_egress import LOOPBACK
from tests.support.provider import Provider, Script
from wegent_runner.engine.egress import EgressPolicy, GuardedTransport
from wegent_runner.engine.gather import AT_ONCE, FULL_BYTES, gathered

Send = Callable[[asyncio.StreamWriter], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@asynccontextmanager
async def server(send: Send) -> AsyncIterator[str]:
    """Serve one answer, which ends with its connection."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD)
        await send(writer)
        writer.close()

    serving = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with serving:
        yield f"http://127.0.0.1:{serving.sockets[0].getsockname()[1]}/"


async def read(url: str) -> tuple[bytes, Exception | None]:
    """Return what is read of an answer, and the error that ends it."""
    told = bytearray()
    transport = GuardedTransport(EgressPolicy([LOOPBACK]))
    async with httpx2.AsyncClient(transport=transport) as client:
        try:
            async with client.stream("GET", url) as answer:
                async for chunk in answer.aiter_raw():
                    told += chunk
        except httpx2.ReadError as error:
            return bytes(told), error
    return bytes(told), None


async def test_a_long_answer_is_read_in_few_chunks_and_its_beginning_at_once(
    provider: Provider,
) -> None:
    words = [f"{number} " for number in range(160)]
    provider.script = lambda _: Script(pieces=words, pause_s=0.005)
    async with (
        httpx2.AsyncClient(transport=GuardedTransport(EgressPolicy([LOOPBACK]))) as client,
        client.stream(
            "POST", provider.url + "/chat/completions", json={"model": "m", "stream": True}
        ) as answer,
    ):
        reads = [chunk async for chunk in answer.aiter_raw()]
    told = b"".join(reads)
    assert [told.count(f'"{word}"'.encode()) for word in words] == [1] * len(words)
    assert sum(chunk.count(b"data: ") for chunk in reads[:8]) < 32, "the beginning was gathered"
    assert len(reads) < 90, "each word of a long answer was read for itself"


async def test_an_answer_that_is_cut_loses_nothing_that_was_received() -> None:
    """aiohttp drops its buffer when a connection ends within a chunked body."""
    events = [b"data: %d\n\n" % number for number in range(3 * AT_ONCE)]

    async def send(writer: asyncio.StreamWriter) -> None:
        for event in events:
            writer.write(chunked(event))
            await asyncio.sleep(0.004)

    async with server(send) as url:
        told, error = await read(url)
    assert error is not None
    assert told == b"".join(events)


async def test_a_large_answer_is_not_held_up_and_held_in_bounds() -> None:
    held: list[int] = []
    block, count = b"x" * 4096, 2048

    async def blocks() -> AsyncIterator[bytes]:
        for number in range(count):
            held.append(number)
            yield block

    read_bytes = 0
    async with asyncio.timeout(20):
        async for chunk in gathered(blocks()):
            read_bytes += len(chunk)
            unread = (len(held) + 1) * len(block) - read_bytes
            assert unread <= FULL_BYTES + 2 * len(block), "the sender was not held back"
    assert read_bytes == count * len(block)


async def test_a_reader_that_leaves_ends_the_reading() -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
                await asyncio.sleep(0)
        finally:
            closed.set()

    chunks = gathered(endless())
    async for chunk in chunks:
        if len(chunk) > 1:
            break
    await chunks.aclose()  # type: ignore[attr-defined]
    async with asyncio.timeout(30):
        await closed.wait()
    assert not [it for it in asyncio.all_tasks() if "_Gatherer" in repr(it)]


@pytest.mark.parametrize("count", [0, 1, AT_ONCE, AT_ONCE + 1])
async def test_streams_of_every_length_are_whole(count: int) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(count):
            yield b"%d " % number

    told = b"".join([chunk async for chunk in gathered(pieces())])
    assert told == b"".join(b"%d " % number for number in range(count))
