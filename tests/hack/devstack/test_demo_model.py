"""`make up` with its demo model: Tasks that a real language model answers."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from devcluster.binaries import Binaries
from devstack.stack import Stack
from tests.hack.devstack.commands import Commands
from tests.support.kubectl import Kubectl


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """The commands on a stack with the demo model, which is up."""
    made = Commands(tmp_path_factory.mktemp("demo-model") / "state", demo_model=True)
    made.ok("up")
    yield made
    made.ok("clean")


@pytest.fixture(scope="module")
def kubectl(commands: Commands, binaries: Binaries) -> Kubectl:
    return Kubectl(binaries.kubectl, Path(commands.ok("kubeconfig").strip()))


def transcript(commands: Commands, task: str) -> dict[str, Any]:
    """Return the transcript of a Task, read over REST by the admin."""
    answer = httpx.get(
        f"http://127.0.0.1:{commands.api_port}/api/v1/kinds/tasks/{task}/transcript",
        headers={"Authorization": f"Bearer {commands.ok('token').strip()}"},
        trust_env=False,
    )
    body: dict[str, Any] = answer.raise_for_status().json()
    return body


def texts(body: dict[str, Any]) -> list[str]:
    return [part["text"] for item in body["items"] for part in item["content"]]


def test_a_task_is_answered_and_its_transcript_is_kept(
    commands: Commands, kubectl: Kubectl
) -> None:
    asked = commands.run("ask", "Say hello.")
    assert asked.returncode == 0, asked.stderr
    [task] = re.findall(r"^Task (ask-\w+):$", asked.stderr, re.MULTILINE)
    found = kubectl.run("get", "task", task, "-o", "json").ok().json["status"]
    assert found["phase"] == "Completed"
    assert found["result"].strip() == asked.stdout.strip() != ""
    prompt, answer = texts(transcript(commands, task))
    assert (prompt, answer.strip()) == ("Say hello.", asked.stdout.strip())
    # With the other data of the stack, so that `clean` deletes it too.
    assert (commands.directory / "stack" / "wegent-runner.db").exists()
    commands.ok("down")
    assert commands.ok("up").splitlines()[-1].startswith('  make ask PROMPT="')
    assert texts(transcript(commands, task)) == [prompt, answer]


def test_a_team_that_is_not_ready_is_named(commands: Commands, kubectl: Kubectl) -> None:
    kubectl.run("delete", "ghost", "assistant").ok()
    refused = commands.run("ask", "Say hello.")
    assert refused.returncode == 1
    assert "Ghost default/assistant does not exist" in refused.stderr
    commands.ok("up")  # creates it again
    kubectl.run("wait", "--for=condition=Ready", "team/assistant", "--timeout=30s").ok()
    commands.ok("ask", "Say hello.")


def test_without_the_demo_model_wegent_runs(
    commands: Commands, binaries: Binaries, tmp_path: Path
) -> None:
    welcome = commands.ok("up", WEGENT_DEMO_MODEL_ENABLED="false")
    assert "make ask" not in welcome
    assert not Stack(commands.directory).demo_model.daemon.running()
    # As where the index has no packages for the platform.
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in ("etcd", "kube_apiserver", "kube_controller_manager", "kubectl"):
        program: Path = getattr(binaries, name)
        (assets / program.name).symlink_to(program)
    done = commands.run(
        "up",
        WEGENT_DEMO_MODEL_ENABLED="true",
        KUBEBUILDER_ASSETS=str(assets),
        XDG_CACHE_HOME=str(tmp_path / "cache"),
        PIP_NO_INDEX="1",
        PATH=f"{assets}{os.pathsep}{os.environ['PATH']}",
    )
    assert done.returncode == 0, done.stderr
    assert "The demo model is left out: pip could not install its packages: " in done.stderr
    assert "WEGENT_DEMO_MODEL_ENABLED=false make up" in done.stderr
    assert "make ask" not in done.stdout
    assert "wegent-runner: up" in commands.ok("status")
