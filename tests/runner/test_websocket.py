"""Many runs on one WebSocket: followed, resumed, created, continued, cancelled."""

import asyncio
import random
import shutil
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import async_playwright

from devcluster.ports import free_ports
from tests.runner.conftest import MakeTask
from tests.support.identity import token_for
from tests.support.kubectl import Kubectl
from tests.support.processes import resident_mib
from tests.support.provider import Call, Provider, Script
from tests.support.proxy import Client, ProxyProcess
from tests.support.waiting import eventually
from tests.support.websocket import Run, connected

pytestmark = pytest.mark.usefixtures("operator", "runner")

StartProxy = Callable[..., ProxyProcess]


def echo(call: Call) -> Script:
    """Repeat the prompt in pieces."""
    prompt = call.messages[-1][1]
    return Script(pieces=[f"{prompt} {number} é😀 " for number in range(30)], pause_s=0.01)


async def test_two_tasks_on_one_connection(
    client: Client, namespace: str, provider: Provider, make_task: MakeTask
) -> None:
    provider.script = echo
    await asyncio.gather(make_task("a", prompt="A"), make_task("b", prompt="B"))
    async with connected(client) as socket:
        await socket.say("subscribe", id="1", namespace=namespace, task="a")
        await socket.say("subscribe", id="2", namespace=namespace, task="b")
        texts = [(await socket.ended(id_)).text for id_ in ("1", "2")]
        assert texts == ["".join(f"{p} {n} é😀 " for n in range(30)) for p in "AB"]
        answers = [it for it in socket.received if it["type"] == "subscribed"]
        assert [(it["id"], it["task"]) for it in answers] == [("1", "a"), ("2", "b")]
        # The ids are free again, and the same events come from the store.
        await socket.say("subscribe", id="1", namespace=namespace, task="b")
        socket.received.clear()
        assert (await socket.ended("1")).text == texts[1]


async def test_a_subscription_goes_on_after_any_character(
    client: Client, namespace: str, provider: Provider, make_task: MakeTask
) -> None:
    provider.script = echo
    await make_task(prompt="P")
    chance = random.Random(5)

    async def watch() -> str:
        run = Run()
        while not run.over():
            async with connected(client) as socket:
                after = {"after": run.last_id} if run.last_id else {}
                await socket.say("subscribe", id="s", namespace=namespace, task="t", **after)
                for _ in range(chance.randint(1, 12)):
                    run.take(await socket.hear(), "s")
                    if run.over():
                        break
        return run.text

    texts = await asyncio.gather(*(watch() for _ in range(5)))
    assert set(texts) == {"".join(f"P {n} é😀 " for n in range(30))}


async def test_turns_of_a_conversation(
    client: Client, namespace: str, provider: Provider, bot: str
) -> None:
    async with connected(client) as socket:
        spec = {"botRef": {"name": bot}, "prompt": "First."}
        await socket.say("create", id="turn 1", namespace=namespace, object={"spec": spec})
        created = await socket.hear("created")
        assert created["namespace"] == namespace
        assert created["task"].startswith("task-")
        assert (await socket.ended("turn 1")).text == "Hello, world."
        spec = {
            "botRef": {"name": bot},
            "prompt": "Second.",
            "previousTaskRef": {"name": created["task"]},
        }
        metadata = {"name": "second", "namespace": namespace, "labels": {"chat": "1"}}
        await socket.say("create", id="turn 2", object={"metadata": metadata, "spec": spec})
        assert (await socket.hear("created"))["task"] == "second"
        assert (await socket.ended("turn 2")).text == "Hello, world."
    assert [text for _, text in provider.calls[-1].messages[1:]] == [
        "First.",
        "Hello, world.",
        "Second.",
    ]
    task = (await client.get(f"/api/v1/kinds/tasks/second?namespace={namespace}")).expect(200)
    assert task["metadata"]["labels"] == {"chat": "1"}
    assert task["metadata"]["annotations"]["agent.wecode.io/created-by"].endswith(":editor")


async def test_the_longest_prompt_with_the_longest_escapes(
    client: Client, namespace: str, bot: str
) -> None:
    """JSON may write an emoji with twelve characters of ASCII."""
    async with connected(client) as socket:
        spec = {"botRef": {"name": bot}, "prompt": "😀" * 131_072}
        await socket.say("create", id="1", namespace=namespace, object={"spec": spec})
        name = (await socket.hear("created"))["task"]
        assert (await socket.ended("1")).text == "Hello, world."
    task = (await client.get(f"/api/v1/kinds/tasks/{name}?namespace={namespace}")).expect(200)
    assert task["spec"]["prompt"] == spec["prompt"]


async def test_a_task_that_is_refused_is_refused_as_over_http(
    client: Client, namespace: str, bot: str
) -> None:
    good = {"botRef": {"name": bot}, "prompt": "Hi"}
    named = {"metadata": {"name": "x"}}
    wrong: list[dict[str, Any]] = [
        {**named, "spec": {"prompt": "Hi"}},
        {**named, "spec": {**good, "botRef": {"name": "absent"}}},
        {**named, "spec": {**good, "colour": "red"}},
        {"metadata": {"name": "Not A Name"}, "spec": good},
        {"metadata": [], "spec": good},
        {**named, "spec": good, "kind": "Bot"},
    ]
    async with connected(client) as socket:
        for number, body in enumerate(wrong):
            await socket.say("create", id=f"c{number}", namespace=namespace, object=body)
            code, message, id_ = await socket.refusal()
            answer = await client.post(f"/api/v1/kinds/tasks?namespace={namespace}", body)
            assert (code, message) == (answer.status, answer.json["message"])
            assert id_ == f"c{number}"
        await socket.say(
            "create", id="1", namespace="other", object={"metadata": {"namespace": namespace}}
        )
        assert (await socket.refusal())[0] == 400
        unchecked = {"spec": {"botRef": {"name": "absent"}, "prompt": "Hi"}}
        await socket.say(
            "create", id="2", namespace=namespace, object=unchecked, validateRefs=False
        )
        await socket.hear("created")
        waiting = await socket.hear("event")
        assert waiting["event"]["type"] == "run.waiting"


async def test_cancel_and_unsubscribe(
    client: Client, namespace: str, provider: Provider, make_task: MakeTask, ended: MakeTask
) -> None:
    provider.script = lambda _: Script(pieces=["word "] * 600, pause_s=0.05)
    await asyncio.gather(make_task("a"), make_task("b"))
    async with connected(client) as socket:
        for name in ("a", "b"):
            await socket.say("subscribe", id=name, namespace=namespace, task=name)
        await eventually(lambda: len(provider.calls) == 2, within_s=30, what="two calls")
        await socket.say("unsubscribe", id="a")
        await socket.hear("unsubscribed")
        socket.received.clear()
        await socket.say("cancel", id="x", namespace=namespace, task="b")
        answer = await socket.hear("cancelling")
        assert (answer["id"], answer["task"]) == ("x", "b")
        run = await socket.ended("b")
        assert run.outcome is not None
        assert run.outcome["phase"] == "Cancelled"
        assert {it["id"] for it in socket.received if it["type"] == "event"} == {"b"}
        await socket.say("unsubscribe", id="a")  # it has ended already
        await socket.hear("unsubscribed")
        await socket.say("cancel", id="a", namespace=namespace, task="a")
        await socket.hear("cancelling")
    assert (await ended("a"))["status"]["phase"] == "Cancelled"


async def test_of_anothers_task_a_user_learns_nothing(
    client: Client, namespace: str, kubectl: Kubectl, provider: Provider, make_task: MakeTask
) -> None:
    provider.script = lambda _: Script(pieces=["secret "] * 10)
    await make_task("t", prompt="secret")
    kubectl.run("create", "serviceaccount", "stranger", f"--namespace={namespace}").ok()
    stranger = client.as_(token_for(kubectl, namespace, "stranger"))
    async with connected(stranger) as socket:
        for name in ("t", "absent"):
            await socket.say("subscribe", id=name, namespace=namespace, task=name)
            code, message, id_ = await socket.refusal()
            assert (code, id_) == (403, name)
            assert "cannot get resource" in message
        await socket.say("cancel", id="c", namespace=namespace, task="t")
        assert (await socket.refusal())[0] == 403
        body = {"spec": {"botRef": {"name": "b"}, "prompt": "Hi"}}
        await socket.say("create", id="n", namespace=namespace, object=body)
        assert (await socket.refusal())[0] == 403
        assert not [it for it in socket.received if it["type"] not in {"ready", "error"}]
        assert "secret" not in str(socket.received)


async def test_the_connection_ends_with_its_token(
    client: Client, namespace: str, kubectl: Kubectl, start_proxy: StartProxy, make_task: MakeTask
) -> None:
    await make_task("t", botRef={"name": "absent"})
    proxy = start_proxy(watch_renew_s="1")
    async with connected(Client(client.session, proxy.url, client.token)) as socket:
        await socket.say("subscribe", id="1", namespace=namespace, task="t")
        assert (await socket.hear("event"))["event"]["type"] == "run.waiting"
        kubectl.run("delete", "serviceaccount", "editor", f"--namespace={namespace}").ok()
        assert await socket.closed() == 4401
        last = socket.received[-1]
        assert (last["type"], last["status"]["code"]) == ("error", 401)
        assert "id" not in last


async def test_a_proxy_that_stops_says_so_and_clients_go_on_at_another(
    client: Client,
    namespace: str,
    start_proxy: StartProxy,
    provider: Provider,
    make_task: MakeTask,
) -> None:
    provider.script = lambda _: Script(pieces=["word "] * 60, pause_s=0.05)
    await make_task()
    proxy = start_proxy(drain_delay_s="2")
    there = Client(client.session, proxy.url, client.token)
    run = Run()
    async with connected(there) as socket:
        await socket.say("subscribe", id="s", namespace=namespace, task="t")
        while len(run.text) < 20:
            run.take(await socket.hear(), "s")
        seen = len(socket.received)
        proxy.terminate()
        assert await socket.closed() == 1012
        for body in socket.received[seen:]:
            run.take(body, "s")
    assert not run.over()
    # While the proxy drains, it takes no new connections.
    answer = await there.get("/api/v1/ws", headers=HANDSHAKE)
    assert answer.refused(503, "ServiceUnavailable")
    assert proxy.wait() == 0
    async with connected(client) as socket:
        await socket.say("subscribe", id="s", namespace=namespace, task="t", after=run.last_id)
        while not run.over():
            run.take(await socket.hear(), "s")
    assert run.text == "word " * 60


HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


async def test_a_viewer_that_does_not_read_is_cut_and_others_are_served(
    client: Client,
    namespace: str,
    start_proxy: StartProxy,
    provider: Provider,
    make_task: MakeTask,
    ended: MakeTask,
) -> None:
    """Frames wait at the runner and not in the proxy, whatever the number of subscriptions."""
    length = 1 << 20
    provider.script = lambda _: Script(pieces=["x" * 4096] * (length // 4096))
    await make_task()
    await ended()
    proxy = start_proxy(watch_stall_s="3")
    before = resident_mib(proxy.pid)
    there = Client(client.session, proxy.url, client.token)
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(connected(there)) for _ in range(5)]
        for socket in sockets:
            for number in range(10):
                await socket.say("subscribe", id=str(number), namespace=namespace, task="t")
        async with connected(there) as reader:
            await reader.say("subscribe", id="s", namespace=namespace, task="t")
            assert len((await reader.ended("s")).text) == length

        async def all_cut() -> bool:
            return b"wegent_api_websockets 0.0" in (await there.get("/metrics")).content

        await eventually(all_cut, within_s=30, what="the end of the connections")
        # The text is in five events of each run. All of them would take 250 MiB.
        assert resident_mib(proxy.pid) - before < 125


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DOCS = Path(__file__).parents[2] / "docs" / "websocket.md"
CONVERSATION = """async ({url, token, namespace, bot}) => {
  const shown = [];
  const wegent = new Wegent(url, async () => token);
  await wegent.connect();
  const spec = {botRef: {name: bot}, prompt: "First."};
  window.show = (text) => { window.shown = text };
  const first = await wegent.ask(namespace, spec, window.show);
  const firstText = window.shown;
  const next = {...spec, prompt: "Second.", previousTaskRef: {name: first.task}};
  const second = await wegent.ask(namespace, next, window.show);
  let refused;
  await wegent.ask(namespace, {prompt: ""}, window.show).catch((status) => { refused = status });
  return {phases: [first.phase, second.phase], texts: [firstText, window.shown], refused};
}"""


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
async def test_the_example_of_the_docs_in_a_browser(
    client: Client, namespace: str, start_proxy: StartProxy, provider: Provider, bot: str
) -> None:
    """The page is of another origin, and the proxy stops and starts again in the midst."""
    provider.script = lambda _: Script(
        pieces=[f"{number} é😀 " for number in range(60)], pause_s=0.05
    )
    proxy = start_proxy(port=str(free_ports(1)[0]))
    example = DOCS.read_text(encoding="utf-8").split("```js\n")[1].partition("```")[0]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
        )
        page = await browser.new_page()
        await page.add_script_tag(content=example)
        there = {
            "url": proxy.url.replace("http", "ws", 1) + "/api/v1/ws",
            "token": client.token,
            "namespace": namespace,
            "bot": bot,
        }
        talking = asyncio.create_task(page.evaluate(CONVERSATION, there))

        async def begun() -> bool:
            return bool(await page.evaluate("(window.shown || '').length > 40"))

        await eventually(begun, within_s=30, what="some text")
        assert await asyncio.to_thread(proxy.stop) == 0
        await asyncio.to_thread(proxy.start)
        said = await asyncio.wait_for(talking, 60)
        await browser.close()
    assert said["phases"] == ["Completed", "Completed"]
    assert said["texts"] == ["".join(f"{number} é😀 " for number in range(60))] * 2
    assert said["refused"]["code"] == 422
    assert len(provider.calls) == 2
    assert [text for _, text in provider.calls[1].messages[1:]][0::2] == ["First.", "Second."]
