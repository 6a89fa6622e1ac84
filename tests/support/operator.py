"""The operator as a separate program, under its own ServiceAccount."""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

from devcluster.ports import free_ports
from tests.support import forked
from tests.support.starting import await_start

READY_WITHIN_S = 60.0
STOP_WITHIN_S = 20.0
WITH_CLOCK = """
import sys
from datetime import timedelta
from pathlib import Path
from wegent_operator import app
from wegent_operator.__main__ import main

real = app.clock
app.clock = lambda: real() + timedelta(seconds=float(Path({file!r}).read_text()))
sys.argv = ["wegent-operator"]
main()
"""


def with_clock(ahead: Path) -> tuple[str, ...]:
    """Return the command of an operator whose clock is off by the seconds in a file."""
    return "-c", WITH_CLOCK.format(file=str(ahead))


def set_clock(ahead: Path, seconds: int) -> None:
    """Set the clock of an operator with that file to so many seconds ahead."""
    whole = ahead.with_suffix(".new")  # the operator may read at any moment
    whole.write_text(str(seconds))
    whole.replace(ahead)


class OperatorProcess:
    """``python -m wegent_operator``, or another command of Python. It can be killed and started
    again.

    Users are editors of the shared namespaces, as with ``make up``, unless a test says otherwise.
    """

    def __init__(
        self,
        kubeconfig: Path,
        log: Path,
        *,
        command: tuple[str, ...] = (),
        **settings: str,
    ) -> None:
        self.port = free_ports(1)[0]
        self.kubeconfig = kubeconfig
        self.log = log
        self._command = command
        self._env = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "WEGENT_OPERATOR_LISTEN_PORT": str(self.port),
            "WEGENT_OPERATOR_SHARED_ROLE": "editor",
            **{f"WEGENT_OPERATOR_{name.upper()}": value for name, value in settings.items()},
        }
        self._process: forked.Program | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.running():
            self.stop()

    def launch(self) -> None:
        """Start it."""
        self._process = (
            forked.run_python(self._command, self._env, self.log)
            if self._command
            else forked.start("wegent_operator", self._env, self.log)
        )

    def start(self) -> None:
        """Start the operator and wait until it reconciles."""
        self.launch()
        assert self._process is not None
        await_start(
            self._process,
            lambda: self.get("/readyz")[0] == 200,
            within_s=READY_WITHIN_S,
            said=self.tail,
            end=self.kill,
        )

    def unset(self, name: str) -> None:
        """Remove a setting, so that the program uses its own default."""
        self._env.pop(f"WEGENT_OPERATOR_{name.upper()}", None)

    def running(self) -> bool:
        """Return True if the operator was started here and not stopped here."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> int:
        """Stop the operator as Kubernetes does, and return its exit code."""
        return self._end(signal.SIGTERM)

    def wait(self, within_s: float) -> int:
        """Wait until the operator exits by itself, and return its exit code."""
        assert self._process is not None
        code = self._process.wait(within_s)
        self._process = None
        return code

    def kill(self) -> None:
        """Kill the operator, as a power cut would."""
        self._end(signal.SIGKILL)

    def get(self, path: str) -> tuple[int, str]:
        """Return status and body of one of the operator's pages; status 0 if it doesn't answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def settle(self, within_s: float = 120) -> None:
        """Wait until the operator's queue is empty; after a start, all objects are in it."""
        deadline = time.monotonic() + within_s
        while "wegent_operator_queue_depth 0.0" not in self.get("/metrics")[1]:
            assert time.monotonic() < deadline, f"not through after {within_s} s: {self.tail()}"
            time.sleep(0.1)

    def tail(self) -> str:
        """Return the end of its log."""
        return "\n".join(self.log.read_text().splitlines()[-20:]) if self.log.exists() else ""

    def _end(self, how: signal.Signals) -> int:
        assert self._process is not None
        process, self._process = self._process, None
        process.send_signal(how)
        try:
            return process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_WITHIN_S)
            raise
