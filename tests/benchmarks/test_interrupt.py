"""A benchmark that is interrupted ends all programs that it has started."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster.checkout import CHECKOUT
from tests.support.processes import processes_with
from tests.support.waiting import eventually

RUNNING_WITHIN_S = 180
ENDED_WITHIN_S = 60
"""The programs stop in order, each within some seconds."""


class Benchmark:
    """``python -m tests.benchmarks``. It and its programs have one folder for temporary files.

    The folder's path is in the environment of all of them.
    """

    def __init__(self, log: Path, temporary: Path) -> None:
        self._log = log
        self._temporary = temporary
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                (sys.executable, "-m", "tests.benchmarks", *options),
                cwd=CHECKOUT,
                env={**os.environ, "TMPDIR": str(self._temporary)},
                stdout=log,
                stderr=log,
            )

    def running(self) -> dict[int, str]:
        """Return its command and those of all its programs, by pid."""
        return processes_with("TMPDIR", str(self._temporary))

    async def interrupted(self, number: signal.Signals, last: str) -> None:
        """Send the signal once ``last`` runs, the program that starts last; see all end."""
        assert self._process is not None

        def started() -> bool:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"it ended: {self._said()}")
            return any(last in command for command in self.running().values())

        def ended() -> bool:
            assert not (left := self.running()), left
            return True

        await eventually(started, within_s=RUNNING_WITHIN_S, what=f"{last} to run")
        self._process.send_signal(number)
        await eventually(ended, within_s=ENDED_WITHIN_S, what="all programs to end")
        assert self._process.wait() == 130, self._said()
        assert self._said().endswith("interrupted; all programs have ended\n")
        assert not [it for it in self._temporary.iterdir() if it.is_dir()]

    def kill(self) -> None:
        """Kill what a failed test has left."""
        for pid in self.running():
            os.kill(pid, signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def _said(self) -> str:
        return self._log.read_text()[-2000:]


@pytest.fixture
def benchmark(tmp_path: Path) -> Iterator[Benchmark]:
    with tempfile.TemporaryDirectory() as temporary:  # a short path, because sockets are in it
        made = Benchmark(tmp_path / "log", Path(temporary))
        yield made
        made.kill()


async def test_proxies_and_their_load_end(benchmark: Benchmark) -> None:
    benchmark.start("--only=proxy")
    await benchmark.interrupted(signal.SIGTERM, "proxy_speed.load")


async def test_runner_and_its_provider_end(benchmark: Benchmark) -> None:
    benchmark.start("--only=runner", "--parts=writes")
    await benchmark.interrupted(signal.SIGHUP, "benchmarks.token_provider")


@pytest.mark.usefixtures("go_programs")
async def test_operator_and_its_load_end(benchmark: Benchmark, tmp_path: Path) -> None:
    benchmark.start("--only=operator", "--peers=operator", f"--output={tmp_path / 'report'}")
    await benchmark.interrupted(signal.SIGINT, "load -mode=")
