"""A Task that waits: readers see what there is, and no old answer counts for another question."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.runner.agents.conftest import Items, Payments, Waiting, answer, pays
from tests.runner.conftest import MakeTask, Running
from tests.runner.viewer import Viewer
from tests.support.api import Api
from tests.support.provider import Provider, calling
from tests.support.proxy import Client
from tests.support.waiting import eventually
from tests.support.websocket import connected

pytestmark = pytest.mark.usefixtures("operator", "runner")


@pytest.fixture
def runner_settings() -> dict[str, Any]:
    return {"stdio_permitted": True}


async def test_a_reader_that_comes_while_a_task_waits_sees_the_items_before_the_question(
    namespace: str,
    client: Client,
    provider: Provider,
    payer: str,
    make_task: MakeTask,
    waiting: Waiting,
) -> None:
    provider.script = pays
    await make_task(botRef={"name": payer})
    (question,) = await waiting()
    async with connected(client) as socket:
        here = {"namespace": namespace, "task": "t"}
        await socket.say("subscribe", id="s", **here)
        while (event := (await socket.hear("event"))["event"])["type"] != "run.waiting":
            pass
        assert socket.run("s").text == "I pay."
        assert [it["id"] for it in event["waitingFor"]] == [question["id"]]
        given = {"id": question["id"], "decision": "approve"}
        await socket.say("answer", id="a", answer=given, **here)
        assert (await socket.hear("answered"))["id"] == "a"
        run = await socket.ended("s")
        assert run.text == "I pay.Told: paid 5"
        assert run.outcome is not None
        assert run.outcome["phase"] == "Completed"


async def test_a_reader_stays_through_a_wait(
    api: Api,
    namespace: str,
    client: Client,
    provider: Provider,
    payer: str,
    make_task: MakeTask,
    waiting: Waiting,
) -> None:
    provider.script = pays
    await make_task(botRef={"name": payer})
    viewer = Viewer(client, namespace)
    (question,) = await waiting()
    await answer(api, namespace, id=question["id"], decision="approve")
    await viewer.read()
    assert viewer.text == "I pay.Told: paid 5"
    assert viewer.outcome is not None


async def restored(api: Api, namespace: str) -> None:
    """Delete the Task and restore it from the trash."""
    before = await api.get("tasks", namespace, "t")
    assert before is not None
    await api.delete("tasks", namespace, "t")
    tombstone = f"task-{before['metadata']['uid']}"
    await api.merge("tombstones", namespace, tombstone, {"spec": {"restore": True}})

    async def is_back() -> bool:
        task = await api.get("tasks", namespace, "t")
        assert task is not None
        assert task["status"].get("phase") == "Waiting", task["status"]
        assert await api.get("tombstones", namespace, tombstone) is None
        return True

    await eventually(is_back, within_s=30, what="the restored Task")


async def test_a_restored_task_goes_on_where_it_waited(
    api: Api,
    namespace: str,
    provider: Provider,
    payer: str,
    payments: Payments,
    make_task: MakeTask,
    waiting: Waiting,
    ended: MakeTask,
    items: Items,
) -> None:
    provider.script = pays
    await make_task(botRef={"name": payer})
    (question,) = await waiting()
    await restored(api, namespace)
    await answer(api, namespace, id=question["id"], decision="approve")
    assert (await ended())["status"]["result"] == "Told: paid 5"
    assert payments.made() == ["5"]
    assert len(provider.calls) == 2, "the call before the question is not made again"
    assert [it["type"] for it in await items()] == [
        *("message", "mcp_call", "mcp_approval_request", "mcp_approval_response", "message"),
    ]


async def test_an_old_answer_does_not_approve_another_call(
    api: Api,
    namespace: str,
    provider: Provider,
    payer: str,
    payments: Payments,
    make_task: MakeTask,
    waiting: Waiting,
    runner: Running,
) -> None:
    """The store is lost while the Task waits, and the LLM asks for another sum than before."""
    provider.script = pays
    await make_task(botRef={"name": payer})
    (question,) = await waiting()
    url = runner.settings.store_url.get_secret_value()
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as store:
        store.execute("DELETE FROM items")
        store.execute("DELETE FROM runs")
        store.commit()
    provider.script = lambda _: calling(("pay", {"amount": 5_000}), text="I pay.")
    await answer(api, namespace, id=question["id"], decision="approve")

    async def asked_again() -> bool:
        (other,) = await waiting()
        assert other["id"] != question["id"]
        assert other["arguments"] == '{"amount": 5000}'
        return True

    await eventually(asked_again, within_s=30, what="another question")
    assert payments.made() == []
