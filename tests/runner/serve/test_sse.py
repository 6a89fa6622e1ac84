"""Deltas that come close together leave in one write; the first one leaves at once."""

import asyncio

from wegent_runner.runs.log import RunLog
from wegent_runner.serve.sse import COALESCE_S, stream


async def test_deltas_that_come_in_a_pause_leave_in_one_write() -> None:
    log, pauses, meanwhile = RunLog(1), list[float](), ["b", "c", "d"]

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        for text in meanwhile:
            log.append(text)
        meanwhile.clear()

    writes = stream(log, 0, 0, pause)

    async def next_after(text: str) -> bytes:
        """Append a text while the stream waits, and return what it writes."""
        waiting = asyncio.ensure_future(anext(writes))
        for _ in range(3):
            await asyncio.sleep(0)
        assert not waiting.done()
        log.append(text)
        return await waiting

    log.begin()
    assert b"response.content_part.added" in await anext(writes)
    assert b'"delta":"abcd"' in await next_after("a")
    assert b'"delta":"e"' in await next_after("e")
    assert len(pauses) == 2
    assert all(0 <= seconds <= COALESCE_S for seconds in pauses)


async def test_after_a_silence_there_is_no_pause() -> None:
    log, pauses = RunLog(1), list[float]()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    log.begin()
    position = log.end
    writes = stream(log, 1, position, pause)
    waiting = asyncio.ensure_future(anext(writes))
    await asyncio.sleep(0)
    log.append("a")
    assert b'"delta":"a"' in await waiting
    assert pauses == [0.0]
