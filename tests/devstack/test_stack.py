"""What `make up` and its like do: the commands themselves, on a cluster of the test's own."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster.binaries import Binaries
from devcluster.ports import LOOPBACK, free_ports
from devstack.stack import Stack
from tests.support.kubectl import Kubectl

COMMAND_WITHIN_S = 240
EXAMPLES = Path(__file__).parents[2] / "examples"


class Commands:
    """``python -m devstack`` with a state directory and ports of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        operator, self.api_port = free_ports(2)
        self._env = {
            **{name: value for name, value in os.environ.items() if name != "KUBECONFIG"},
            "WEGENT_OPERATOR_LISTEN_PORT": str(operator),
            "WEGENT_API_PORT": str(self.api_port),
        }

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "devstack", f"--state={self.directory}", command],
            env=self._env,
            capture_output=True,
            encoding="utf-8",
            timeout=COMMAND_WITHIN_S,
            check=False,
        )

    def ok(self, command: str) -> str:
        done = self.run(command)
        assert done.returncode == 0, f"{command}: {done.stdout} {done.stderr}"
        return done.stdout

    def operator_pid(self) -> int:
        identity = Stack(self.directory).operator.daemon.identity()
        assert identity is not None
        return identity.pid


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    """The commands; whatever they started is gone after the test."""
    made = Commands(tmp_path)
    yield made
    made.ok("clean")


def test_up_down_up_and_clean(commands: Commands, binaries: Binaries) -> None:
    welcome = commands.ok("up")
    login = commands.ok("admin-login").split()
    assert f"admin   password {login[1]}" in welcome
    assert f"http://127.0.0.1:{commands.api_port}/docs" in welcome
    assert commands.ok("token").count(".") == 2, "a JWT"
    kubeconfig = Path(commands.ok("kubeconfig").strip())
    kubectl = Kubectl(binaries.kubectl, kubeconfig)
    kubectl.run("create", "namespace", "kept").ok()

    first = commands.operator_pid()
    assert commands.ok("up") == welcome, "a second time changes nothing"
    assert commands.operator_pid() == first

    os.kill(first, signal.SIGKILL)
    assert "wegent-operator: down" in commands.run("status").stdout
    assert commands.ok("up") == welcome, "what has died is started again"
    assert commands.operator_pid() != first
    assert "down" not in commands.ok("status")

    commands.ok("down")
    assert commands.run("status").returncode == 1
    assert commands.ok("up") == welcome
    kubectl.run("get", "namespace", "kept").ok()
    assert commands.ok("token").count(".") == 2

    commands.ok("clean")
    assert "run `make up` first" in commands.run("admin-login").stderr


def test_uninstalling_leaves_objects_that_can_be_deleted(
    commands: Commands, binaries: Binaries
) -> None:
    commands.ok("up")
    kubectl = Kubectl(binaries.kubectl, Path(commands.ok("kubeconfig").strip()))
    kubectl.run("apply", "-f", EXAMPLES).ok()
    kubectl.run("wait", "--for=condition=Ready", "bots", "--all", "--timeout=60s").ok()
    kubectl.run("delete", "task", "--all").ok()
    commands.ok("uninstall")
    assert "reviewer" in kubectl.run("get", "bots").ok().stdout, "users' objects stay"
    kubectl.run("delete", "bots", "--all", "--timeout=20s").ok()
    assert kubectl.run("get", "tombstones", "-o", "name").ok().stdout.count("\n") == 1, "the Task"
    crds = EXAMPLES.with_name("crds")
    kubectl.run("delete", "-f", crds, "--timeout=60s").ok()
    commands.ok("uninstall")
    commands.ok("up")
    kubectl.run("apply", "-f", EXAMPLES).ok()


def test_a_taken_port_is_named_and_the_program_does_not_run(commands: Commands) -> None:
    with socket.create_server((LOOPBACK, commands.api_port)):
        refused = commands.run("up")
        assert refused.returncode == 1
        assert f"port {commands.api_port} of 127.0.0.1" in refused.stderr
        assert "WEGENT_API_PORT=... make up" in refused.stderr
        assert "wegent-api: down" in commands.run("status").stdout
    commands.ok("up")
