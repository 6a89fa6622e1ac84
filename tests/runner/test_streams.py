"""A run streams to whoever watches, through the proxy, and can be resumed at any character."""

import asyncio
import random

import pytest

from tests.runner.conftest import MakeTask
from tests.runner.viewer import Viewer
from tests.support.provider import Provider, Script
from tests.support.proxy import Client
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("operator", "runner")


async def test_a_viewer_sees_the_run_from_its_beginning_to_its_end(
    client: Client, namespace: str, make_task: MakeTask
) -> None:
    await make_task()
    viewer = Viewer(client, namespace)
    await viewer.read()
    assert viewer.text == "Hello, world."
    assert viewer.outcome is not None
    assert viewer.outcome["phase"] == "Completed"
    types = [type_ for type_, _ in viewer.events if type_ != "run.waiting"]
    assert types[:3] == [
        "run.started",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert types[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "run.ended",
    ]


async def test_deltas_arrive_while_the_provider_still_writes(
    client: Client, namespace: str, provider: Provider, make_task: MakeTask
) -> None:
    provider.script = lambda _: Script(pieces=["word "] * 20, pause_s=0.1)
    await make_task()
    viewer = Viewer(client, namespace)
    reading = asyncio.create_task(viewer.read())
    await eventually(lambda: viewer.text, within_s=20, what="some text")
    assert not provider.calls[0].whole
    await reading
    assert viewer.text == "word " * 20


async def test_viewers_who_leave_and_come_back_get_the_same_text(
    client: Client, namespace: str, provider: Provider, make_task: MakeTask
) -> None:
    pieces = [f"{number} é😀 " for number in range(200)]
    provider.script = lambda _: Script(pieces=pieces, pause_s=0.01)
    await make_task()
    chance = random.Random(7)

    async def watch() -> str:
        viewer = Viewer(client, namespace)
        while viewer.outcome is None:
            await viewer.read(leave_after=chance.randint(1, 12))
        return viewer.text

    texts = await asyncio.gather(*(watch() for _ in range(10)))
    assert set(texts) == {"".join(pieces)}


async def test_a_late_viewer_gets_all_from_the_store(
    client: Client, namespace: str, make_task: MakeTask, ended: MakeTask
) -> None:
    await make_task()
    await ended()
    viewer = Viewer(client, namespace)
    await viewer.read()
    assert viewer.text == "Hello, world."
    transcript = (
        await client.get(f"/api/v1/kinds/tasks/t/transcript?namespace={namespace}")
    ).expect(200)
    assert transcript["items"][0]["content"][0]["text"] == "Say hello."
    assert transcript["items"][1]["content"][0]["text"] == "Hello, world."


async def test_the_header_of_a_browser_overrides_the_parameter(
    client: Client, namespace: str, make_task: MakeTask, ended: MakeTask
) -> None:
    await make_task()
    await ended()
    viewer = Viewer(client, namespace)
    await viewer.read()
    path = f"/api/v1/kinds/tasks/t/events?namespace={namespace}"
    again = await client.get(f"{path}&after=1.1", headers={"Last-Event-ID": viewer.last_id})
    assert "output_text" not in again.content.decode()
    from_there = await client.get(f"{path}&after={viewer.last_id}")
    assert again.content == from_there.content
