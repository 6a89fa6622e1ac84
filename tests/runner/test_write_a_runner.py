"""The example of docs/write-a-runner.md runs Tasks, with the rights of its manifest alone."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from devcluster.checkout import CHECKOUT
from devcluster.controlplane import ControlPlane
from tests.runner.conftest import MakeTask
from tests.support.api import Api
from tests.support.bots import create_bot
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl
from tests.support.waiting import eventually
from tests.unit.pages import Page

FOLDER = CHECKOUT / "examples" / "runner"
STOP_WITHIN_S = 15
LEASE_S = 15
LONG = "A word " * 60
"""A prompt of two minutes: its Task ends earlier, or not in this test."""

pytestmark = pytest.mark.usefixtures("operator")
Start = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture(scope="module")
def kubeconfig(
    control_plane: ControlPlane, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A kubeconfig with the rights that the example's manifest grants."""
    kubectl.run("apply", "-f", FOLDER / "rbac.yaml").ok()
    directory = tmp_path_factory.mktemp("echo-runner")
    return kubectl_as(control_plane, kubectl, "wegent-system", "echo-runner", directory).kubeconfig


@pytest.fixture
def start(kubeconfig: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts the example, with leases that a busy machine can renew."""
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "LEASE_S": str(LEASE_S)}
    with ExitStack() as stack, (tmp_path / "log").open("ab") as log:

        def run() -> subprocess.Popen[bytes]:
            command = [sys.executable, str(FOLDER / "echo_runner.py")]
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            stack.callback(process.wait, STOP_WITHIN_S)
            stack.callback(process.kill)
            return process

        yield run


@pytest.fixture
async def bot(api: Api, namespace: str) -> str:
    """A Bot on the Shell that the example serves. No LLM is called."""
    return await create_bot(api, namespace, shell="Dify")


async def reached(api: Api, namespace: str, **wanted: Any) -> dict[str, Any]:
    """Wait until the status of the Task has these values, and return the status."""

    async def probe() -> dict[str, Any]:
        body = await api.get("tasks", namespace, "t")
        assert body is not None
        status: dict[str, Any] = body["status"]
        assert {key: status.get(key) for key in wanted} == wanted, status
        return status

    return await eventually(probe, within_s=30, what=f"a Task with {wanted}")


async def test_it_answers(api: Api, namespace: str, make_task: MakeTask, start: Start) -> None:
    start()
    await make_task(prompt="Hello there")
    status = await reached(api, namespace, phase="Completed")
    assert (status["result"], status["attempts"]) == ("Hello there", 1)
    assert "claim" not in status
    await reached(api, namespace, ready="True", observedGeneration=1)


async def test_it_runs_a_team(api: Api, namespace: str, bot: str, start: Start) -> None:
    await api.create("teams", namespace, "team", {"bots": [{"name": bot}]})
    await api.create("tasks", namespace, "t", {"teamRef": {"name": "team"}, "prompt": "Yes"})
    start()
    assert (await reached(api, namespace, phase="Completed"))["result"] == "Yes"


async def test_it_leaves_other_shells_alone(
    api: Api, namespace: str, make_task: MakeTask, start: Start
) -> None:
    await api.merge("shells", namespace, "s", {"spec": {"type": "Codex"}})
    await api.settled("shells", namespace, "s")
    await api.settled("bots", namespace, "b")
    await make_task(prompt="Not for it")
    await api.create("shells", namespace, "own", {"type": "Dify"})
    own = {key: {"name": key[0]} for key in ("ghostRef", "modelRef")} | {
        "shellRef": {"name": "own"}
    }
    await api.create("bots", namespace, "own", own)
    start()
    await api.create("tasks", namespace, "later", {"botRef": {"name": "own"}, "prompt": "Mine"})

    async def probe() -> bool:
        body = await api.get("tasks", namespace, "later")
        assert body is not None
        assert body["status"]["phase"] == "Completed", body["status"]
        return True

    await eventually(probe, within_s=30, what="the end of the example's own Task")
    await reached(api, namespace, phase="Pending", attempts=0)


async def test_a_task_is_cancelled(
    api: Api, namespace: str, make_task: MakeTask, start: Start
) -> None:
    start()
    await make_task(prompt=LONG)
    await reached(api, namespace, phase="Running")
    await api.merge("tasks", namespace, "t", {"spec": {"cancel": True}})
    status = await reached(api, namespace, phase="Cancelled")
    assert status["attempts"] == 1


async def test_another_runner_takes_over(
    api: Api, namespace: str, make_task: MakeTask, start: Start
) -> None:
    first = start()
    await make_task(prompt="One two three four five six")
    dead = (await reached(api, namespace, phase="Running"))["claim"]["holder"]
    first.kill()
    start()
    again = await reached(api, namespace, phase="Running", attempts=2, releases=0)
    assert again["claim"]["holder"] != dead
    status = await reached(api, namespace, phase="Completed", attempts=2)
    assert status["result"] == "One two three four five six"


async def test_a_stopped_runner_gives_its_task_back(
    api: Api, namespace: str, make_task: MakeTask, start: Start
) -> None:
    process = start()
    await make_task(prompt=LONG)
    await reached(api, namespace, phase="Running")
    process.send_signal(signal.SIGTERM)
    assert process.wait(STOP_WITHIN_S) == 0
    await reached(api, namespace, phase="Pending", attempts=1, releases=1)
    await api.merge("tasks", namespace, "t", {"spec": {"cancel": True}})  # no later runner's work
    await reached(api, namespace, phase="Cancelled")


async def test_it_renews_its_claim(
    api: Api, namespace: str, make_task: MakeTask, start: Start
) -> None:
    start()
    await make_task(prompt="word " * (LEASE_S + 3))  # longer than the lease
    first = (await reached(api, namespace, phase="Running"))["claim"]["renewedAt"]
    status = await reached(api, namespace, phase="Completed")
    assert (status["attempts"], status["releases"]) == (1, 0)
    assert first < status["completionTime"]


async def test_it_goes_on_without_an_api_server(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and no listen: connections are refused
        server = f"http://127.0.0.1:{taken.getsockname()[1]}"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        (tmp_path / "config").write_text(json.dumps(config), encoding="utf-8")
        environment = {**os.environ, "KUBECONFIG": str(tmp_path / "config")}
        log = tmp_path / "log"
        with log.open("ab") as output:
            command = [sys.executable, str(FOLDER / "echo_runner.py")]
            process = subprocess.Popen(  # noqa: ASYNC220 - as in the fixture above
                command, env=environment, stdout=output, stderr=output
            )
        try:

            async def tried_twice() -> bool:
                assert process.poll() is None, log.read_text(encoding="utf-8")[-2000:]
                told = log.read_text(encoding="utf-8")
                assert told.count("not run, or not to its end") >= 2, told
                return True

            await eventually(tried_twice, within_s=30, what="two tries")
            process.send_signal(signal.SIGTERM)
            assert process.wait(STOP_WITHIN_S) == 0
        finally:
            process.kill()
            process.wait()


def test_the_page_shows_the_example() -> None:
    [shown] = Page.read("docs/write-a-runner.md").blocks("python")
    assert shown == (FOLDER / "echo_runner.py").read_text(encoding="utf-8")


def test_its_length() -> None:
    lines = (FOLDER / "echo_runner.py").read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if line.strip()]) <= 90
