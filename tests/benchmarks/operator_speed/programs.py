"""The programs beside the operator: a plain controller and the load, both built by Go."""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from devcluster.binaries import Programs
from devcluster.health import fault_of
from devcluster.ports import free_ports
from devcluster.releases import Program, Release, digest
from tests.support.operator import OperatorProcess
from tests.support.starting import await_start

MODULE = Path(__file__).parents[1] / "controller"
PACKAGE = "wegent.invalid/benchmarks/controller"
READY_WITHIN_S = 120.0
STOP_WITHIN_S = 20.0
LOAD_WITHIN_S = 900.0


RELEASE = Release(MODULE.name, digest(MODULE), download=None, modules=MODULE.parent)
PROGRAMS = (Program("controller", RELEASE, PACKAGE), Program("load", RELEASE, PACKAGE + "/load"))


@dataclass(frozen=True, slots=True)
class Built:
    """The programs of the benchmark's Go module."""

    controller: Path
    load: Path


def build() -> Built:
    """Return the programs, built if this machine has none of this version.

    Raises:
        BinariesUnavailable: there is no Go, or the build failed.
    """
    return Built(**Programs.of_this_machine().ensure_programs(PROGRAMS))


class Peer(Protocol):
    """A running program that writes verdicts."""

    @property
    def pid(self) -> int:
        """The process's id."""

    def start(self) -> None:
        """Start the program, and wait until it watches."""

    def stop(self) -> int:
        """Stop the program, and return its exit code."""


def wegent_operator(kubeconfig: Path, log: Path) -> Peer:
    """Return the operator as an image starts it: with its imports, in a process of its own."""
    return OperatorProcess(kubeconfig, log, command=("-m", "wegent_operator"))


class GoController:
    """The plain controller.

    Args:
        program: its path.
        kubeconfig: its identity.
        log: the file to which it writes.
        options: further arguments.
    """

    def __init__(self, program: Path, kubeconfig: Path, log: Path, *options: str) -> None:
        self._command = (str(program), f"--kubeconfig={kubeconfig}", *options)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the controller, and wait until its caches are filled."""
        port = free_ports(1)[0]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                (*self._command, f"--port={port}"), stdout=log, stderr=subprocess.STDOUT
            )
        await_start(
            self._process,
            lambda: not fault_of(f"http://127.0.0.1:{port}/readyz"),
            within_s=READY_WITHIN_S,
            said=lambda: self._log.read_text()[-2000:],
            end=self.stop,
        )

    def stop(self) -> int:
        """Stop the controller, and return its exit code."""
        assert self._process is not None
        process, self._process = self._process, None
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait(STOP_WITHIN_S)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The result of one run of the load, as it prints it."""

    objects: int
    seconds: float
    created_s: float
    returned_s: float
    p50_ms: float
    p99_ms: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Load:
    """The program that creates objects and waits for their verdicts."""

    program: Path
    kubeconfig: Path
    """Of the user who creates objects."""
    statuses: Path
    """Of the writer of statuses, with the mode raw."""
    at_once: int

    def run(self, mode: str, count: int, prefix: str = "") -> Loaded:
        """Run the load once."""
        command = [
            str(self.program),
            f"-mode={mode}",
            f"-count={count}",
            f"-prefix={prefix}",
            f"-at-once={self.at_once}",
            f"-kubeconfig={self.kubeconfig}",
            f"-statuses={self.statuses}",
        ]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=sys.stderr, timeout=LOAD_WITHIN_S, check=True
        )
        found: Mapping[str, Any] = json.loads(done.stdout)
        return Loaded(**found)


def go_versions() -> dict[str, str]:
    """Return the versions of Go, if it is here, and of controller-runtime."""
    required = (MODULE / "go.mod").read_text("utf-8")
    runtime = re.search(r"controller-runtime (\S+)", required)
    assert runtime is not None, required
    found = {"controller-runtime": runtime[1]}
    if shutil.which("go"):  # the programs may come from the cache
        done = subprocess.run(("go", "version"), capture_output=True, text=True, check=True)
        found["Go"] = done.stdout.split()[2].removeprefix("go")
    return found
