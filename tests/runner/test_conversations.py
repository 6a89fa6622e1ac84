"""Conversations over several Tasks, budgets, fallbacks, and Tasks that are given back."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.runner.conftest import MakeTask, Running
from tests.support.api import Api
from tests.support.provider import Call, Provider, Script
from tests.support.proxy import Client
from tests.support.runner import RunnerProcess
from tests.support.waiting import eventually
from wegent_runner.engine.conversation import BROKEN

pytestmark = pytest.mark.usefixtures("operator")

SYSTEM = ("system", "You help.")
USAGE = {
    "inputTokens": 7,
    "outputTokens": 4,
    "cachedInputTokens": 0,
    "modelRequests": 1,
    "toolCalls": 0,
}
"""Of one call with the provider's usual script."""


def echo(call: Call) -> Script:
    """Answer with the last prompt."""
    return Script(pieces=["You said: ", call.messages[-1][1]])


@pytest.mark.usefixtures("runner")
async def test_a_conversation_goes_on_and_branches(
    provider: Provider, make_task: MakeTask, ended: MakeTask
) -> None:
    provider.script = echo
    await make_task("first", prompt="One.")
    # It waits until the first one is Completed, without another write by its author.
    await make_task("second", prompt="Two.", previousTaskRef={"name": "first"})
    assert (await ended("second"))["status"]["result"] == "You said: Two."
    first = [SYSTEM, ("user", "One."), ("assistant", "You said: One.")]
    second = [*first, ("user", "Two."), ("assistant", "You said: Two.")]
    assert provider.calls[1].messages == second[:-1]
    await make_task("third", prompt="Three.", previousTaskRef={"name": "second"})
    await ended("third")
    assert provider.calls[2].messages == [*second, ("user", "Three.")]
    await make_task("branch", prompt="Or two.", previousTaskRef={"name": "first"})
    await ended("branch")
    assert provider.calls[3].messages == [*first, ("user", "Or two.")]


async def test_a_conversation_with_a_gap_says_so(
    namespace: str,
    client: Client,
    provider: Provider,
    runner: Running,
    make_task: MakeTask,
    ended: MakeTask,
) -> None:
    """The first Task's transcript was deleted. The second one's is there."""
    provider.script = echo
    first = await make_task("first", prompt="One.")
    for name, previous in (("second", "first"), ("third", "second")):
        await make_task(name, prompt=f"{name}.", previousTaskRef={"name": previous})
        await ended(name)
    url = runner.settings.store_url.get_secret_value()
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as store:
        uid = first["metadata"]["uid"]
        store.execute("DELETE FROM items WHERE uid = ?", (uid,))
        store.execute("DELETE FROM runs WHERE uid = ?", (uid,))
        store.commit()
    await make_task("fourth", prompt="Four.", previousTaskRef={"name": "third"})
    await ended("fourth")
    told = [text for _, text in provider.calls[3].messages]
    assert told == [
        "You help.",
        *("second.", "You said: second.", "third.", "You said: third.", "Four."),
    ]
    for name, notices in (("third", []), ("fourth", [BROKEN])):
        path = f"/api/v1/kinds/tasks/{name}/transcript?namespace={namespace}"
        read = (await client.get(path)).expect(200)
        assert read["outcome"].get("notices", []) == notices


@pytest.mark.usefixtures("runner")
async def test_a_task_of_another_runner_is_continued_by_its_result(
    api: Api, namespace: str, provider: Provider, make_task: MakeTask, ended: MakeTask
) -> None:
    await make_task("first", prompt="One.")
    await ended("first")
    await api.delete("tasks", namespace, "first")
    [tombstone] = await api.list("tombstones", namespace)
    await api.merge(
        "tombstones", namespace, tombstone["metadata"]["name"], {"spec": {"restore": True}}
    )
    await make_task("second", prompt="Two.", previousTaskRef={"name": "first"})
    await ended("second")
    assert provider.calls[1].messages == [
        SYSTEM,
        ("user", "One."),
        ("assistant", "Hello, world."),
        ("user", "Two."),
    ]


@pytest.mark.usefixtures("runner")
@pytest.mark.parametrize(
    ("budget", "calls", "said"),
    [
        (
            {"modelRequests": 1},
            1,
            "BudgetExceeded: no request is left, as 1 of 1 are used (spec.budget.modelRequests)",
        ),
        (
            {"totalTokens": 10},
            2,
            "BudgetExceeded: 11 are used, and 10 are allowed (spec.budget.totalTokens)",
        ),
        ({"totalTokens": 11, "modelRequests": 2, "costUSD": "0.01"}, 2, None),
    ],
)
async def test_a_budget_ends_a_task(
    provider: Provider,
    make_task: MakeTask,
    ended: MakeTask,
    budget: dict[str, object],
    calls: int,
    said: str | None,
) -> None:
    """The first call fails, so that a second one is made."""
    provider.script = lambda _: (
        Script(status=503, body={}) if len(provider.calls) == 1 else Script()
    )
    await make_task(budget=budget)
    status = (await ended())["status"]
    assert len(provider.calls) == calls
    assert status["usage"]["modelRequests"] == calls
    if said is None:
        assert status["phase"] == "Completed", status
        assert status["usage"] == USAGE | {"modelRequests": 2}
    else:
        assert (status["phase"], status["message"]) == ("Failed", said)
        assert status.get("result") == (None if calls == 1 else "Hello, world.")


@pytest.mark.usefixtures("runner", "bot")
async def test_the_fallback_answers_if_the_model_does_not(
    api: Api, namespace: str, provider: Provider, make_task: MakeTask, ended: MakeTask
) -> None:
    spare = {
        "provider": "local",
        "model": "spare",
        "baseUrl": provider.url,
        "allowInsecureBaseUrl": True,
        "fallbackRefs": [{"name": "m"}],
    }
    await api.create("models", namespace, "spare", spare)
    refs = {"spec": {"fallbackRefs": [{"name": "spare"}]}}
    await api.merge("models", namespace, "m", refs)
    await api.settled("models", namespace, "m")
    failing = Script(status=500, body={"error": {"message": "down"}})
    provider.script = lambda call: Script() if call.body["model"] == "spare" else failing
    await make_task()
    status = (await ended())["status"]
    assert (status["phase"], status["result"]) == ("Completed", "Hello, world.")
    called = [call.body["model"] for call in provider.calls]
    assert set(called[:-1]) == {"gpt-4"}
    assert called[-1] == "spare"
    assert status["usage"] == USAGE | {"modelRequests": len(called)}


@pytest.fixture
def process(runner_kubeconfig: Path, tmp_path: Path) -> Iterator[RunnerProcess]:
    process = RunnerProcess(
        runner_kubeconfig,
        tmp_path / "runner.log",
        store_url=f"sqlite:///{tmp_path}/store.db",
        drain_s="0",
    )
    process.start()
    yield process
    if process.running():
        assert process.stop() == 0, process.tail()


async def test_a_stopped_runner_gives_its_task_back_and_counts_that(
    api: Api,
    namespace: str,
    provider: Provider,
    make_task: MakeTask,
    ended: MakeTask,
    process: RunnerProcess,
) -> None:
    provider.script = lambda _: (
        Script(pieces=["word "] * 600, pause_s=0.1) if len(provider.calls) == 1 else Script()
    )
    await make_task()
    await eventually(lambda: provider.calls, within_s=30, what="a call")
    assert process.stop() == 0, process.tail()
    task = await api.get("tasks", namespace, "t")
    assert task is not None
    status = task["status"]
    assert (status["phase"], status["attempts"], status["releases"]) == ("Pending", 1, 1)
    assert status["usage"]["modelRequests"] == 1
    process.start()
    status = (await ended())["status"]
    assert (status["phase"], status["attempts"], status["releases"]) == ("Completed", 2, 1)
    assert status["usage"] == USAGE | {"modelRequests": 2}, "the usage of both attempts"
