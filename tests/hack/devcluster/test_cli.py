"""The commands, as a developer runs them."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from devcluster.binaries import CONTROL_PLANE, Binaries
from devcluster.controlplane import ControlPlane
from tests.support.kubectl import Kubectl
from tests.support.processes import processes_naming
from tests.support.waiting import eventually

HANGING = "trap 'kill $!; exit' TERM; sleep 60 & wait"
"""A server that never gets ready and takes its child with it."""


class Done(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str
    seconds: float


class Shell:
    """A terminal with an environment of its own, in which the commands work on ``state``."""

    def __init__(self, state: Path, environment: Mapping[str, str] | None = None) -> None:
        self.state = state
        self._environment = {
            name: value for name, value in os.environ.items() if name != "KUBECONFIG"
        } | dict(environment or {})

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "devcluster", "--state", str(self.state), *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )

    def run(self, *arguments: str) -> Done:
        begun = time.monotonic()
        with self.begin(*arguments) as process:
            stdout, stderr = process.communicate(timeout=120)
        return Done(process.returncode, stdout, stderr, time.monotonic() - begun)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path / "dev" / "cluster")
    yield shell
    shell.run("clean")
    assert processes_naming(shell.state) == []


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A cluster for several tests; each begins with `up`, which costs nothing if it runs."""
    shell = Shell(tmp_path_factory.mktemp("lasting") / "cluster")
    yield shell
    shell.run("clean")
    assert processes_naming(shell.state) == []


@pytest.fixture
def running(lasting: Shell) -> Shell:
    done = lasting.run("up")
    assert done.exit_code == 0, done.stderr
    return lasting


def assets(directory: Path, binaries: Binaries, **scripts: str) -> Mapping[str, str]:
    """Return an environment in which the named programs are scripts, and the others real."""
    directory.mkdir()
    for name in CONTROL_PLANE:
        attribute = name.replace("-", "_")
        if script := scripts.get(attribute):
            (directory / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
            (directory / name).chmod(0o755)
        else:
            (directory / name).symlink_to(getattr(binaries, attribute))
    return {"KUBEBUILDER_ASSETS": str(directory)}


def test_life_of_a_cluster(shell: Shell, binaries: Binaries) -> None:
    assert shell.run("status").stdout == f"down\n  there is no cluster in {shell.state}\n"
    assert shell.run("kubeconfig").exit_code == 1

    up = shell.run("up")
    assert up.exit_code == 0, up.stderr
    assert "The embedded cluster is up after" in up.stdout
    assert f"export KUBECONFIG={shell.state}/kubeconfig" in up.stdout
    assert shell.run("kubeconfig").stdout == f"{shell.state}/kubeconfig\n"
    kubectl = Kubectl(binaries.kubectl, shell.state / "kubeconfig")
    kubectl.run("create", "configmap", "kept").ok()

    again = shell.run("up")
    assert again.exit_code == 0
    assert "was up already" in again.stdout
    assert again.seconds < up.seconds / 2

    status = shell.run("status")
    assert status.exit_code == 0
    assert status.stdout.startswith("up\n  https://127.0.0.1:")

    assert shell.run("down").exit_code == 0
    assert processes_naming(shell.state) == []
    assert shell.run("status").exit_code == 1
    assert shell.run("down").exit_code == 0

    assert shell.run("up").exit_code == 0
    kubectl.run("get", "configmap", "kept").ok()

    assert shell.run("clean").exit_code == 0
    assert not shell.state.exists()
    assert processes_naming(shell.state) == []


def test_killed_servers_are_started_again(running: Shell, binaries: Binaries) -> None:
    kubectl = Kubectl(binaries.kubectl, running.state / "kubeconfig")
    kubectl.run("create", "configmap", "kept").ok()
    for server in ControlPlane(None, running.state).servers:
        server.signal(signal.SIGKILL)
    status = running.run("status")
    assert "etcd: does not run" in status.stdout
    assert status.exit_code == 1
    up = running.run("up")
    assert "is up after" in up.stdout, up.stderr
    kubectl.run("get", "configmap", "kept").ok()


def test_one_dead_server_is_noticed(running: Shell) -> None:
    ControlPlane(None, running.state).manager.signal(signal.SIGKILL)
    assert "kube-controller-manager: does not run" in running.run("status").stdout
    assert "is up after" in running.run("up").stdout
    assert running.run("status").exit_code == 0


def test_taken_port(running: Shell) -> None:
    running.run("down")
    port = ControlPlane(None, running.state).port
    with socket.create_server(("127.0.0.1", port)):
        up = running.run("up")
    assert up.exit_code == 1
    assert f"port {port} of 127.0.0.1, which this cluster's API server uses, is taken" in up.stderr
    assert processes_naming(running.state) == []
    assert running.run("up").exit_code == 0


def test_server_that_dies_at_once(tmp_path: Path, binaries: Binaries) -> None:
    dying = assets(tmp_path / "assets", binaries, kube_apiserver="echo no such flag >&2; exit 1")
    shell = Shell(tmp_path / "cluster", dying)
    up = shell.run("up")
    assert up.exit_code == 1
    assert "devcluster: kube-apiserver ended by itself; the end of" in up.stderr
    assert up.stderr.endswith("    no such flag\n")
    assert "Traceback" not in up.stderr
    assert processes_naming(shell.state) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_interrupted_start_leaves_nothing_running(
    tmp_path: Path, binaries: Binaries, number: signal.Signals
) -> None:
    state = tmp_path / "cluster"
    hanging = assets(tmp_path / "assets", binaries, kube_apiserver=HANGING)
    with Shell(state, hanging).begin("up") as process:
        await eventually(
            lambda: any("kube-apiserver" in line for line in processes_naming(state)),
            within_s=30,
            what="kube-apiserver's start",
        )
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr == "devcluster: interrupted; started processes are stopped\n"
    assert processes_naming(state) == []


def signals_ignored_by(pid: int) -> set[int]:
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    mask = int(next(line for line in lines if line.startswith("SigIgn")).split()[1], 16)
    return {number for number in range(1, 65) if mask >> number - 1 & 1}


async def test_ignored_signal_stays_ignored(tmp_path: Path, binaries: Binaries) -> None:
    hanging = assets(tmp_path / "assets", binaries, kube_apiserver=HANGING)
    state = tmp_path / "cluster"
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        process = Shell(state, hanging).begin("up")
    finally:
        signal.signal(signal.SIGHUP, former)
    with process:
        await eventually(
            lambda: any("kube-apiserver" in line for line in processes_naming(state)),
            within_s=30,
            what="kube-apiserver's start",
        )
        ignored = signals_ignored_by(process.pid)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert signal.SIGHUP in ignored
    assert signal.SIGTERM not in ignored
    assert process.returncode == 130


def test_cluster_outlives_its_terminal(running: Shell) -> None:
    running.run("down")
    with running.begin("up") as process:
        process.communicate(timeout=120)
    with pytest.raises(ProcessLookupError):  # nothing of it is left in the terminal's session
        os.killpg(process.pid, signal.SIGKILL)
    assert running.run("status").exit_code == 0


def test_two_ups_make_one_cluster(shell: Shell) -> None:
    with shell.begin("up") as one, shell.begin("up") as two:
        said = [process.communicate(timeout=120) for process in (one, two)]
    assert (one.returncode, two.returncode) == (0, 0), said
    assert sorted("already" in stdout for stdout, _ in said) == [False, True]
    assert any("waiting for another run" in stderr for _, stderr in said)


def test_no_way_to_the_programs(tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:9"  # the port of a service that discards, and does not run
    shell = Shell(
        tmp_path / "cluster",
        {
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "KUBEBUILDER_ASSETS": "",
            "PATH": str(tmp_path),
            "https_proxy": nobody,
            "HTTPS_PROXY": nobody,
            "no_proxy": "",
        },
    )
    up = shell.run("up")
    assert up.exit_code == 1
    assert up.seconds < 10
    reason = up.stderr[up.stderr.index("devcluster: etcd ") :]
    assert "download: GET https://" in reason
    assert "build: there is no `go` on PATH; install Go" in reason
    assert "Traceback" not in up.stderr
    assert not shell.state.exists()


def test_fetch_prints_where_the_programs_are(tmp_path: Path, binaries: Binaries) -> None:
    shell = Shell(tmp_path, assets(tmp_path / "assets", binaries))
    done = shell.run("fetch", "kubectl", "etcd")
    assert done.stdout == f"{tmp_path}/assets/kubectl\n{tmp_path}/assets/etcd\n"
    assert len(shell.run("fetch").stdout.splitlines()) == len(CONTROL_PLANE)


@pytest.mark.parametrize(
    "arguments", [(), ("sideways",), ("up", "--provider", "cloud"), ("fetch", "sed"), ("up", "x")]
)
def test_wrong_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = Shell(tmp_path).run(*arguments)
    assert done.exit_code == 2
    assert "Usage: python -m devcluster" in done.stderr


def test_directory_that_is_not_ours_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    assert Shell(tmp_path).run("clean").exit_code == 0
    assert (tmp_path / "thesis.txt").exists()


def test_unknown_marker_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "provider").write_text("cloud", encoding="utf-8")
    done = Shell(tmp_path).run("clean")
    assert done.exit_code == 1
    assert "names no kind of cluster: 'cloud'" in done.stderr
    shutil.rmtree(tmp_path)


class TestExisting:
    """Somebody else's cluster: here, the one that tests share."""

    @pytest.fixture
    def users(self, tmp_path: Path, kubectl: Kubectl) -> Shell:
        return Shell(tmp_path / "cluster", {"KUBECONFIG": str(kubectl.kubeconfig)})

    def test_is_used_and_left_alone(self, users: Shell, kubectl: Kubectl) -> None:
        up = users.run("up", "--existing")
        assert up.exit_code == 0, up.stderr
        assert (users.state / "kubeconfig").stat().st_mode & 0o777 == 0o600
        Kubectl(kubectl.program, users.state / "kubeconfig").run("get", "namespaces").ok()
        assert "was up already" in users.run("up", "--provider", "existing").stdout
        assert users.run("status").exit_code == 0
        assert users.run("down").exit_code == 0
        assert users.run("clean").exit_code == 0
        assert not users.state.exists()
        kubectl.run("get", "namespaces").ok()

    def test_is_never_taken_by_accident(self, users: Shell, kubectl: Kubectl) -> None:
        users.run("up")
        mine = kubectl.run("config", "view").ok().stdout
        embedded = Kubectl(kubectl.program, users.state / "kubeconfig").run("config", "view")
        assert embedded.ok().stdout != mine
        refused = users.run("up", "--existing")
        assert refused.exit_code == 1
        assert "has a cluster of the kind 'embedded'; `clean` it" in refused.stderr
        users.run("clean")

    def test_needs_kubeconfig(self, tmp_path: Path) -> None:
        done = Shell(tmp_path / "cluster").run("up", "--existing")
        assert done.exit_code == 1
        assert "the environment variable KUBECONFIG, which is not set" in done.stderr
        assert not (tmp_path / "cluster").exists()

    def test_that_does_not_answer(self, tmp_path: Path, kubectl: Kubectl) -> None:
        kubeconfig = tmp_path / "gone"
        text = kubectl.kubeconfig.read_text(encoding="utf-8")
        server = kubectl.run("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")
        kubeconfig.write_text(text.replace(server.stdout, "https://127.0.0.1:9"), encoding="utf-8")
        shell = Shell(tmp_path / "cluster", {"KUBECONFIG": str(kubeconfig)})
        done = shell.run("up", "--existing")
        assert done.exit_code == 1
        assert f"the cluster of KUBECONFIG={kubeconfig} can't be used" in done.stderr
        assert not shell.state.exists()

    def test_other_cluster_than_before(self, users: Shell, kubectl: Kubectl) -> None:
        users.run("up", "--existing")
        other = users.state.with_name("other")
        text = kubectl.kubeconfig.read_text(encoding="utf-8")
        other.write_text(text.replace("https://127.0.0.1", "https://localhost"), encoding="utf-8")
        moved = Shell(users.state, {"KUBECONFIG": str(other)})
        done = moved.run("up", "--existing")
        assert done.exit_code == 1
        assert "but KUBECONFIG now names https://localhost:" in done.stderr
        assert users.run("clean").exit_code == 0
        assert moved.run("up", "--existing").exit_code == 0
