"""A run streams to its readers, through the proxy, and can be resumed at any character."""

import asyncio
import random

import aiohttp
import pytest
from openai import AsyncOpenAI

from tests.runner.conftest import MakeTask
from tests.runner.viewer import Viewer
from tests.support.api import Api
from tests.support.identity import token_for
from tests.support.kubectl import Kubectl
from tests.support.provider import Provider, Script
from tests.support.proxy import Client, ProxyProcess
from tests.support.waiting import eventually
from tests.support.websocket import connected

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
    await eventually(lambda: viewer.text, within_s=30, what="some text")
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


async def test_a_cancellation_changes_no_task_that_has_ended(
    client: Client,
    namespace: str,
    api: Api,
    make_task: MakeTask,
    ended: MakeTask,
    sdk: AsyncOpenAI,
) -> None:
    await make_task()
    await ended()

    async def is_complete() -> bool:
        task = await api.get("tasks", namespace, "t")
        assert task is not None
        return any(it["type"] == "Complete" for it in task["status"]["conditions"])

    await eventually(is_complete, within_s=30, what="the last write of the Task's status")
    task = f"/api/v1/kinds/tasks/t{{}}?namespace={namespace}"
    before = (await client.get(task.format(""))).expect(200)
    assert (await client.post(task.format("/cancel"))).expect(200) == before
    async with connected(client) as socket:
        await socket.say("cancel", id="x", namespace=namespace, task="t")
        await socket.hear("cancelling")
    assert (await sdk.responses.cancel(f"resp_{namespace}_t")).status == "completed"
    assert (await client.get(task.format(""))).expect(200) == before


async def test_a_reader_of_a_task_can_only_cancel_it_after_its_end(
    kubectl: Kubectl,
    proxy: ProxyProcess,
    provider: Provider,
    namespace: str,
    make_task: MakeTask,
    ended: MakeTask,
) -> None:
    """There is nothing to change then, so that no right is needed."""
    kubectl.run("create", "serviceaccount", "reader", f"--namespace={namespace}").ok()
    subject = (f"--serviceaccount={namespace}:reader", "--clusterrole=wegent-viewer")
    kubectl.run("create", "rolebinding", "reader", f"--namespace={namespace}", *subject).ok()
    provider.script = lambda _: Script(pieces=["one ", "two "], pause_s=0.5)
    await make_task()
    await eventually(lambda: provider.calls, within_s=30, what="a call of the provider")
    path = f"/api/v1/kinds/tasks/t/cancel?namespace={namespace}"
    async with aiohttp.ClientSession() as session:
        reader = Client(session, proxy.url, token_for(kubectl, namespace, "reader"))
        assert (await reader.post(path)).expect(403)["reason"] == "Forbidden"
        task = await ended()
        assert task["status"]["phase"] == "Completed"
        assert (await reader.post(path)).expect(200)["status"]["phase"] == "Completed"


async def test_a_cancellation_of_a_task_that_runs_is_accepted_each_time(
    client: Client, namespace: str, provider: Provider, make_task: MakeTask, ended: MakeTask
) -> None:
    provider.script = lambda _: Script(pieces=["one ", "two "], hang_after=1)
    await make_task()
    await eventually(lambda: provider.calls, within_s=30, what="a call of the provider")
    path = f"/api/v1/kinds/tasks/t/cancel?namespace={namespace}"
    assert (await client.post(path)).expect(202)["spec"]["cancel"] is True
    assert (await client.post(path)).status in {200, 202}
    assert (await ended())["status"]["phase"] == "Cancelled"
