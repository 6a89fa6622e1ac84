"""Tasks over the SDK, with a real runner and a scripted provider."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from yarl import URL

from tests.api.users import User
from tests.runner.conftest import MakeTask
from tests.sdk.conftest import Person
from tests.support.api import Api
from tests.support.provider import Provider, Script
from tests.support.relay import Link, link_to
from tests.support.waiting import eventually
from wegent_crds import Bot, Team
from wegent_sdk import (
    AlreadyExists,
    Conflict,
    ConnectionFailed,
    Forbidden,
    Invalid,
    NeedsLogin,
    NotFound,
    RunText,
    TimedOut,
)

pytestmark = pytest.mark.usefixtures("operator", "runner")

PIECES = [f"{number} é😀\u2028\n" for number in range(150)]


@pytest.fixture
async def shaky(proxy_url: str) -> AsyncIterator[Link]:
    """A connection to the proxy that can be cut."""
    async with link_to(proxy_url) as link:
        yield link


@pytest.fixture
def cut_off(sort: Any, opened: Callable[[Any], Person], editor: User, shaky: Link) -> Person:
    """A client over that connection."""
    url = str(URL(shaky.url).with_scheme("http"))
    return opened(sort(url, token=editor.client.token))


async def test_a_bot_works_and_its_words_stream(me: Person, namespace: str, bot: str) -> None:
    task = await me.call(lambda c: c.tasks.run(f"bot/{bot}", "Say hello.", namespace=namespace))
    assert task.metadata.name.startswith("task-")
    events = await me.take(lambda c: c.tasks.events(task.metadata.name, namespace))
    assert "".join(it.text for it in events) == "Hello, world."
    assert events[-1].type == "run.ended"
    assert events[-1].data["phase"] == "Completed"
    after = await me.take(
        lambda c: c.tasks.events(task.metadata.name, namespace, after=events[-2].id)
    )
    assert [it.type for it in after] == ["run.ended"]
    done = await me.call(lambda c: c.tasks.wait(task.metadata.name, namespace))
    assert (done.status.phase, done.status.result) == ("Completed", "Hello, world.")
    said = await me.call(lambda c: c.tasks.transcript(task.metadata.name, namespace))
    assert said["items"][1]["content"][0]["text"] == "Hello, world."


async def test_a_conversation_goes_on(
    me: Person, namespace: str, model: str, provider: Provider
) -> None:
    team = await me.call(lambda c: c.get(Team, model.rpartition("/")[2], namespace))
    first = await me.call(lambda c: c.tasks.run(team, "One."))
    assert first.metadata.namespace == namespace
    await me.call(lambda c: c.tasks.wait(first.metadata.name, namespace))
    second = await me.call(
        lambda c: c.tasks.run(
            "helpers", "Two.", namespace=namespace, previous=first, spec={"title": "More"}
        )
    )
    assert second.spec.title == "More"
    await me.call(lambda c: c.tasks.wait(second.metadata.name, namespace))
    texts = [text for _, text in provider.calls[-1].messages]
    assert texts[-3:] == ["One.", "Hello, world.", "Two."]


async def test_cuts_in_the_middle_of_a_stream_lose_and_repeat_nothing(
    cut_off: Person,
    shaky: Link,
    namespace: str,
    provider: Provider,
    make_task: MakeTask,
) -> None:
    provider.script = lambda _: Script(pieces=PIECES, pause_s=0.02)
    await make_task()
    cuts: list[float] = []

    async def cutting() -> None:
        chance = random.Random(5)
        while True:
            await asyncio.sleep(chance.uniform(0.1, 0.4))
            if chance.random() < 0.3:
                shaky.cut_after(chance.randint(100, 2000))
            else:
                shaky.cut()

    def on_cut(error: Exception, wait_s: float) -> None:
        assert isinstance(error, ConnectionFailed)
        cuts.append(wait_s)

    disturbing = asyncio.create_task(cutting())
    try:
        events = await cut_off.take(lambda c: c.tasks.events("t", namespace, on_cut=on_cut))
    finally:
        disturbing.cancel()
    assert len(cuts) >= 3
    assert "".join(it.text for it in events) == "".join(PIECES)
    ids = [it.id for it in events if it.id]
    assert len(ids) == len(set(ids))
    assert [it.type for it in events].count("run.ended") == 1


async def test_a_stream_continues_when_the_server_is_back(
    cut_off: Person, shaky: Link, namespace: str, provider: Provider, make_task: MakeTask
) -> None:
    provider.script = lambda _: Script(pieces=["one ", "two "], hang_after=1)
    await make_task()
    seen = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_cut(error: Exception, wait_s: float) -> None:
        del error, wait_s
        loop.call_soon_threadsafe(seen.set)

    reading = asyncio.create_task(
        cut_off.take(lambda c: c.tasks.events("t", namespace, on_cut=on_cut))
    )
    await eventually(lambda: provider.calls, within_s=30, what="a call of the provider")
    await shaky.close()
    await asyncio.wait_for(seen.wait(), 20)
    await shaky.open()
    assert (await cut_off.call(lambda c: c.tasks.cancel("t", namespace))).spec.cancel
    events = await reading
    assert events[-1].data["phase"] == "Cancelled"


async def test_patience_ends(
    cut_off: Person, shaky: Link, namespace: str, make_task: MakeTask
) -> None:
    await make_task()
    await shaky.close()
    with pytest.raises(ConnectionFailed, match="refuses connections"):
        await cut_off.take(lambda c: c.tasks.events("t", namespace, patience_s=1.0))


async def test_a_silent_connection_counts_as_lost(
    cut_off: Person,
    shaky: Link,
    namespace: str,
    provider: Provider,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wegent_sdk.tasks.SILENCE_S", 1.0)
    provider.script = lambda _: Script(pieces=PIECES[:40], pause_s=0.05)
    await make_task()
    lost = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_cut(error: Exception, wait_s: float) -> None:
        del wait_s
        assert "within 1 seconds" in str(error)
        loop.call_soon_threadsafe(lost.set)

    reading = asyncio.create_task(
        cut_off.take(lambda c: c.tasks.events("t", namespace, on_cut=on_cut))
    )
    await eventually(lambda: provider.calls, within_s=30, what="a call of the provider")
    await asyncio.sleep(0.2)
    shaky.stall()
    await asyncio.wait_for(lost.wait(), 20)
    shaky.flow()
    assert "".join(it.text for it in await reading) == "".join(PIECES[:40])


async def test_text_that_a_restarted_run_takes_back(
    me: Person, namespace: str, provider: Provider, make_task: MakeTask
) -> None:
    def script(call: Any) -> Script:
        return Script(pieces=["wrong ", "x"], cut_after=1) if not call.number else Script()

    provider.script = script
    await make_task()
    text = RunText()
    for event in await me.take(lambda c: c.tasks.events("t", namespace)):
        text.feed(event)
    assert text.text == "Hello, world."


async def test_the_end_is_waited_for(
    me: Person, namespace: str, provider: Provider, make_task: MakeTask
) -> None:
    provider.script = lambda _: Script(pieces=["one ", "two "], hang_after=1)
    await make_task()
    with pytest.raises(TimedOut, match=r"0\.5 seconds"):
        await me.call(lambda c: c.tasks.wait("t", namespace, timeout_s=0.5))
    waiting = asyncio.create_task(me.call(lambda c: c.tasks.wait("t", namespace)))
    await eventually(lambda: provider.calls, within_s=30, what="a call of the provider")
    await me.call(lambda c: c.tasks.cancel("t", namespace))
    assert (await waiting).status.phase == "Cancelled"
    again = await me.call(lambda c: c.tasks.cancel("t", namespace))
    assert again.status.phase == "Cancelled"


async def test_a_deleted_task_ends_the_wait(
    me: Person, namespace: str, provider: Provider, make_task: MakeTask, api: Api
) -> None:
    provider.script = lambda _: Script(pieces=["one ", "two "], hang_after=1)
    await make_task()
    waiting = asyncio.create_task(me.call(lambda c: c.tasks.wait("t", namespace)))
    await eventually(lambda: provider.calls, within_s=30, what="a call of the provider")
    await api.delete("tasks", namespace, "t")
    with pytest.raises(NotFound, match="was deleted"):
        await waiting


async def two_stages(api: Api, namespace: str, bot: str) -> None:
    refs = {"ghostRef": {"name": "g"}, "modelRef": {"name": "m"}, "shellRef": {"name": "s"}}
    await api.create("bots", namespace, "second", refs)
    await api.settled("bots", namespace, "second")
    members = [{"name": bot, "requireConfirmation": True}, {"name": "second"}]
    await api.create("teams", namespace, "team", {"collaborationMode": "pipeline", "bots": members})
    await api.settled("teams", namespace, "team")


@pytest.mark.parametrize("over", ["rest", "kubernetes"])
async def test_a_question_is_answered_once(
    over: str, me: Person, direct: Person, namespace: str, api: Api, bot: str
) -> None:
    person = me if over == "rest" else direct
    await two_stages(api, namespace, bot)
    task = await person.call(lambda c: c.tasks.run("team", "Go.", namespace=namespace))
    name = task.metadata.name
    waiting = await person.call(lambda c: c.tasks.wait(name, namespace, or_questions=True))
    assert waiting.status.phase == "Waiting"
    (question,) = waiting.status.waiting_for
    answered = await person.call(
        lambda c: c.tasks.answer(name, question.id, "reply", "Shorter!", namespace=namespace)
    )
    assert answered.spec.answers[0].text == "Shorter!"
    with pytest.raises(Conflict, match="answer"):
        await person.call(
            lambda c: c.tasks.answer(name, question.id, "deny", "No.", namespace=namespace)
        )
    done = await person.call(lambda c: c.tasks.wait(name, namespace))
    assert done.status.phase == "Completed"
    assert done.spec.answers[0].by


async def test_without_the_rest_api(
    direct: Person, namespace: str, bot: str, provider: Provider
) -> None:
    provider.script = lambda _: Script(pieces=["one ", "two "], hang_after=1)
    of = await direct.call(lambda c: c.get(Bot, bot, namespace))
    task = await direct.call(lambda c: c.tasks.run(of, "Go.", name="direct"))
    assert task.metadata.namespace == namespace
    with pytest.raises(NeedsLogin, match="REST API"):
        await direct.take(lambda c: c.tasks.events("direct", namespace))
    with pytest.raises(NeedsLogin):
        await direct.call(lambda c: c.tasks.transcript("direct", namespace))
    await eventually(lambda: provider.calls, within_s=30, what="a call of the provider")
    assert (await direct.call(lambda c: c.tasks.cancel("direct", namespace))).spec.cancel
    assert (await direct.call(lambda c: c.tasks.wait("direct", namespace))).status.phase == (
        "Cancelled"
    )
    again = await direct.call(lambda c: c.tasks.cancel("direct", namespace))
    assert again.status.phase == "Cancelled"


async def test_a_task_is_created_once_over_a_lost_connection(
    cut_off: Person, shaky: Link, namespace: str, bot: str, api: Api, monkeypatch: Any
) -> None:
    """The proxy creates the Task, and its answer is lost."""
    shaky.cut_after(1)

    async def reopen() -> None:
        await eventually(
            lambda: api.list("tasks", namespace), within_s=30, what="the Task of the first attempt"
        )
        shaky.cut_after(1 << 40)

    opening = asyncio.create_task(reopen())
    monkeypatch.setattr("wegent_sdk.api.FIRST_PAUSE_S", 1.0)
    task = await cut_off.call(lambda c: c.tasks.run(f"bot/{bot}", "Go.", namespace=namespace))
    await opening
    assert [it["metadata"]["uid"] for it in await api.list("tasks", namespace)] == [
        task.metadata.uid
    ]
    with pytest.raises(AlreadyExists):
        await cut_off.call(
            lambda c: c.tasks.run(f"bot/{bot}", "Go.", namespace=namespace, name=task.metadata.name)
        )


async def test_a_team_that_is_not_there(me: Person, namespace: str) -> None:
    with pytest.raises(Invalid, match="none-such"):
        await me.call(lambda c: c.tasks.run("none-such", "Go.", namespace=namespace))
    with pytest.raises(NotFound):
        await me.take(lambda c: c.tasks.events("absent", namespace))
    with pytest.raises(Forbidden):
        await me.take(lambda c: c.tasks.events("absent", "kube-system"))
    with pytest.raises(NotFound):
        await me.call(lambda c: c.tasks.wait("absent", namespace))
