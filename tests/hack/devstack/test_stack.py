"""The commands behind `make up` and similar targets, run on the test's own cluster."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster.binaries import Binaries
from devcluster.ports import LOOPBACK, free_ports
from devstack.stack import Stack
from tests.hack.devstack.commands import Commands
from tests.support.kubectl import Kubectl

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """The commands on one stack, which most tests share; it is removed after them."""
    made = Commands(tmp_path_factory.mktemp("devstack") / "state")
    yield made
    made.ok("clean")


@pytest.fixture(scope="module")
def kubectl(commands: Commands, binaries: Binaries) -> Kubectl:
    """kubectl for the stack's cluster, which was up."""
    commands.ok("up")
    return Kubectl(binaries.kubectl, Path(commands.ok("kubeconfig").strip()))


def test_commands_before_the_first_up(tmp_path: Path) -> None:
    commands = Commands(tmp_path / "state")
    assert commands.run("status").returncode == 1
    assert "run `make up` first" in commands.run("admin-login").stderr
    for command in ("down", "uninstall", "clean") * 2:
        commands.ok(command)
    assert "nothing to take Wegent out of" in commands.ok("uninstall")


def test_a_taken_port_is_named_and_nothing_is_started(commands: Commands) -> None:
    with socket.create_server((LOOPBACK, commands.api_port)):
        refused = commands.run("up")
        assert refused.returncode == 1
        assert f"port {commands.api_port} of 127.0.0.1" in refused.stderr
        assert "WEGENT_API_PORT=... make up" in refused.stderr
        assert commands.run("status").stdout.count(": down\n") == 4


def test_up_down_and_up(commands: Commands, kubectl: Kubectl) -> None:
    welcome = commands.ok("up")
    login = commands.ok("admin-login").split()
    assert f"admin   password {login[1]}" in welcome
    assert f"http://127.0.0.1:{commands.api_port}/docs" in welcome
    assert commands.ok("token").count(".") == 2, "a JWT"
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
    assert "the cluster does not run" in commands.run("uninstall").stderr
    assert commands.ok("up") == welcome
    kubectl.run("get", "namespace", "kept").ok()
    assert commands.ok("token").count(".") == 2


@pytest.mark.usefixtures("kubectl")
@pytest.mark.parametrize("how", ["--recursive", "--archive --link"])
def test_commands_in_a_copy_of_a_running_stack_leave_it_alone(commands: Commands, how: str) -> None:
    commands.ok("up")
    copy = Commands(commands.directory.with_name("copy"))
    # shutil.copytree does not copy etcd's socket.
    subprocess.run(["cp", *how.split(), commands.directory, copy.directory], check=True)
    pid = commands.operator_pid()
    assert copy.run("status").stdout.count(": down\n") == 4
    remedy = "`make clean` here deletes the copy and leaves the original alone"
    for command in ("up", "token", "admin-login", "kubeconfig", "uninstall"):
        refused = copy.run(command, **copy.ports)
        assert refused.returncode == 1, command
        assert remedy in refused.stderr, command
    copy.ok("down")
    assert "whose cluster is left alone" in copy.run("clean").stderr
    assert not (copy.directory / "cluster").exists()
    shutil.rmtree(copy.directory)
    assert commands.operator_pid() == pid
    assert "down" not in commands.ok("status")
    assert commands.ok("token").count(".") == 2


@pytest.mark.usefixtures("kubectl")
def test_a_changed_setting_is_applied_or_refused_and_then_kept(commands: Commands) -> None:
    commands.ok("up")
    pid = commands.operator_pid()
    former = Stack(commands.directory).api.url
    [changed] = free_ports(1)
    with socket.create_server((LOOPBACK, changed)):
        refused = commands.run("up", WEGENT_API_PORT=str(changed))
        assert f"port {changed} of 127.0.0.1" in refused.stderr
    refused = commands.run("up", WEGENT_API_PORT="0", WEGENT_API_KUBECONFIG="/elsewhere")
    assert "WEGENT_API_PORT=0: later commands need" in refused.stderr
    assert "WEGENT_API_KUBECONFIG=/elsewhere: `make up` gives" in refused.stderr
    assert f"{former}\n" in commands.ok("status"), "it runs as before"
    left_out = commands.run("token", WEGENT_API_PORT=str(changed))
    assert left_out.stdout.count(".") == 2
    assert f"WEGENT_API_PORT={changed} is left out here" in left_out.stderr
    assert "CLUSTER=kind, but this" in commands.run("clean", CLUSTER="kind").stderr
    assert "CLUSTER=cloud is not a kind of cluster" in commands.run("up", CLUSTER="cloud").stderr
    assert f":{changed}/docs" in commands.ok("up", WEGENT_API_PORT=str(changed))
    assert f"http://127.0.0.1:{changed}\n" in commands.ok("status")
    assert commands.operator_pid() == pid, "the operator's settings are the same"
    assert commands.ok("token").count(".") == 2


def test_a_stopped_stack_goes_on_where_it_is_moved_and_in_a_copy(
    commands: Commands, kubectl: Kubectl
) -> None:
    commands.ok("up")
    kubectl.run("create", "namespace", "in-both").ok()
    commands.ok("down")
    there = commands.directory
    copy, moved = Commands(there.with_name("copied")), Commands(there.with_name("moved"))
    shutil.copytree(there, copy.directory)
    there.rename(moved.directory)
    try:
        welcome = moved.ok("up")
        assert f"{moved.directory}/cluster/kubeconfig" in welcome
        said = copy.run("up", **copy.ports)
        assert said.returncode == 0, said.stderr
        assert f"The data was copied from {there}/cluster" in said.stderr
        for each in (moved, copy):
            found = Kubectl(kubectl.program, Path(each.ok("kubeconfig").strip()))
            found.run("get", "namespace", "in-both").ok()
            assert each.ok("token").count(".") == 2
        copy.ok("clean")
        assert "down" not in moved.ok("status")
    finally:
        copy.run("clean")
        moved.run("down")
        moved.directory.rename(there)


def test_uninstalling_leaves_objects_that_can_be_deleted(
    commands: Commands, kubectl: Kubectl
) -> None:
    commands.ok("up")
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


def test_cleaning_takes_everything_away(commands: Commands) -> None:
    commands.ok("clean")
    assert "run `make up` first" in commands.run("admin-login").stderr
    assert "nothing to take Wegent out of" in commands.ok("uninstall")
    commands.ok("clean")
