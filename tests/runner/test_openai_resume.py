"""Responses that are read again: by other users, after a cancellation, and from any number on."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.support.identity import token_for
from tests.support.kubectl import Kubectl
from tests.support.provider import Provider, Script
from tests.support.proxy import Client
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("operator", "runner")

SECRET = "the-secret-plan"
ALPHABET = [
    "a",
    "é",
    "中",
    "😀",
    "👩‍👩‍👧‍👦",
    "🇩🇪",
    "e\u0301",
    "\n",
    "\u2028",
    "\x7f",
    "\\",
    '"',
]
CUTS = 40


@pytest.fixture
async def stranger(kubectl: Kubectl, namespace: str, client: Client) -> AsyncIterator[AsyncOpenAI]:
    """A user with a valid token and no rights in the namespace."""
    kubectl.run("create", "serviceaccount", "stranger", f"--namespace={namespace}").ok()
    async with AsyncOpenAI(
        base_url=f"{client.base}/v1",
        api_key=token_for(kubectl, namespace, "stranger"),
        max_retries=0,
        timeout=60,
    ) as sdk:
        yield sdk


async def test_a_response_of_another_user_is_refused_without_its_content(
    sdk: AsyncOpenAI, stranger: AsyncOpenAI, model: str, provider: Provider
) -> None:
    provider.script = lambda _: Script(pieces=[SECRET])
    response = await sdk.responses.create(model=model, input=f"Tell me {SECRET}.")
    none = response.id + "0"
    for id_ in (response.id, none):
        for call in (
            stranger.responses.retrieve(id_),
            stranger.responses.retrieve(id_, stream=True),
            stranger.responses.cancel(id_),
            stranger.responses.delete(id_),
            stranger.responses.input_items.list(id_),
            stranger.responses.create(model=model, input="Go on.", previous_response_id=id_),
        ):
            with pytest.raises(openai.PermissionDeniedError) as refused:
                await call
            assert SECRET not in refused.value.response.text
    with pytest.raises(openai.NotFoundError):
        await sdk.responses.retrieve(none)
    assert (await sdk.responses.retrieve(response.id)).output_text == SECRET


async def test_a_response_can_be_cancelled_twice_and_read_meanwhile(
    sdk: AsyncOpenAI, model: str, provider: Provider
) -> None:
    provider.script = lambda _: Script(pieces=["word "] * 200, pause_s=0.05)
    response = await sdk.responses.create(model=model, input="Write", background=True)
    stream = await sdk.responses.retrieve(response.id, stream=True)
    begun = asyncio.Event()

    async def follow() -> list[Any]:
        events: list[Any] = []
        async for event in stream:
            if event.type == "response.output_text.delta":
                begun.set()
            events += [event]
        return events

    following = asyncio.create_task(follow())
    await asyncio.wait_for(begun.wait(), 20)
    running = await sdk.responses.retrieve(response.id)
    assert (running.status, running.output, running.background) == ("in_progress", [], True)
    both = await asyncio.gather(*(sdk.responses.cancel(response.id) for _ in range(2)))
    assert [it.status for it in both] == ["cancelled"] * 2
    events = await asyncio.wait_for(following, 20)
    last = events[-1]
    assert (last.type, last.response.status) == ("response.failed", "cancelled")

    async def ended() -> Any:
        found = await sdk.responses.retrieve(response.id)
        assert found.output
        return found

    found = await eventually(ended, within_s=30, what="the end")
    again = await sdk.responses.cancel(response.id)
    assert (again.status, again.output_text) == ("cancelled", found.output_text)
    deltas = [it.delta for it in events if it.type == "response.output_text.delta"]
    assert "".join(deltas) == found.output_text


async def test_a_stream_goes_on_after_any_number_to_the_byte(
    sdk: AsyncOpenAI, model: str, provider: Provider
) -> None:
    """Numbers between those of events are tried too: another stream may have events there."""
    chance = random.Random(20261130)
    text = "".join(chance.choices(ALPHABET, k=400))
    cuts = sorted(chance.sample(range(1, len(text)), 60))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    provider.script = lambda _: Script(pieces=pieces, pause_s=0.01)
    response = await sdk.responses.create(model=model, input="Go", background=True)

    async def read(after: int | None) -> list[Any]:
        more: dict[str, Any] = {} if after is None else {"starting_after": after}
        return [it async for it in await sdk.responses.retrieve(response.id, stream=True, **more)]

    live = await read(None)
    final: Any = live[-1]
    assert final.response.output_text == text
    deltas = [it for it in live if it.type == "response.output_text.delta"]
    assert "".join(it.delta for it in deltas) == text
    first = deltas[0].sequence_number - len(deltas[0].delta)
    last = deltas[-1].sequence_number
    assert last - first == len(text)
    end = final.sequence_number
    assert await read(end) == [], "there is nothing after the last event"
    numbers = [0, first, first + 1, last, end - 1]
    for number in [*numbers, *chance.choices(range(end), k=CUTS)]:
        rest = await read(number)
        assert all(it.sequence_number > number for it in rest[:-1])
        read_before = min(max(number - first, 0), len(text))
        got = "".join(it.delta for it in rest if it.type == "response.output_text.delta")
        assert got == text[read_before:], number
        assert rest[-1].type == "response.completed"
        assert rest[-1].response.output == final.response.output
    with pytest.raises(openai.BadRequestError, match="no event"):
        await read(1 << 40)
    whole = await read(None)
    assert [it.type for it in whole if it.type != "response.output_text.delta"] == [
        it.type for it in live if it.type != "response.output_text.delta"
    ]


async def test_live_streams_that_are_cut_at_random_are_identical_to_the_byte(
    sdk: AsyncOpenAI, model: str, provider: Provider
) -> None:
    chance = random.Random(11)
    text = "".join(chance.choices(ALPHABET, k=300))
    provider.script = lambda _: Script(pieces=[*text], pause_s=0.01)
    response = await sdk.responses.create(model=model, input="Go", background=True)

    async def viewer(seed: int) -> str:
        leaves = random.Random(seed)
        got, after = "", None
        while True:
            more: dict[str, Any] = {} if after is None else {"starting_after": after}
            stream = await sdk.responses.retrieve(response.id, stream=True, **more)
            patience = leaves.randrange(1, 12)
            async with stream:
                async for event in stream:
                    after = event.sequence_number
                    if event.type == "response.output_text.delta":
                        got += event.delta
                    if event.type == "response.completed":
                        assert event.response.output_text == got
                        return got
                    patience -= 1
                    if not patience:
                        break

    texts = await asyncio.gather(*(viewer(seed) for seed in range(8)))
    assert texts == [text] * 8
