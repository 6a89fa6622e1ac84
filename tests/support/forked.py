"""Wegent's programs, each forked from a process that has imported them already.

Importing takes most of the time that a start takes, and the tests start some two hundred programs.
All else is as with ``python -m``: the module runs as ``__main__`` in a process of its own, with its
own environment and log. The tests of ``make up``, of the images and of the chart start the real
``python -m``.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Final

IMPORTED: Final = ("wegent_api.__main__", "wegent_operator.__main__", "wegent_runner.__main__")
"""Modules imported once for all starts; none of Wegent's reads the environment at its import."""

_FORKS: Final = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(list(IMPORTED))


class Forked:
    """A running program; it has the part of ``subprocess.Popen`` that the tests need.

    Args:
        module: the argument of ``python -m``.
        env: the program's whole environment.
        log: the file to which both of its streams are appended.
    """

    def __init__(self, module: str, env: Mapping[str, str], log: Path) -> None:
        # A daemon, so that a test run that is stopped leaves none behind.
        self._process: ForkServerProcess = _FORKS.Process(
            target=_run, args=(module, dict(env), str(log)), daemon=True
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        """Wait until the program has ended, and return its exit code.

        Raises:
            subprocess.TimeoutExpired: the program still runs after ``timeout`` seconds.
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(str(self._process.name), timeout)
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the program; do nothing if it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the program."""
        self.send_signal(signal.SIGKILL)


forks = True
"""False where memory and CPU are measured: a forked program has the modules of all of them."""


Program = Forked | subprocess.Popen[bytes]


def start(module: str, env: Mapping[str, str], log: Path) -> Program:
    """Start a program, with the arguments of `Forked`."""
    return Forked(module, env, log) if forks else run_python(("-m", module), env, log)


def run_python(
    arguments: Sequence[str], env: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Start Python with ``arguments``; both of its streams are appended to the log."""
    with log.open("ab") as out:
        return subprocess.Popen(
            (sys.executable, *arguments), env=dict(env), stdout=out, stderr=subprocess.STDOUT
        )


def _run(module: str, env: dict[str, str], log: str) -> None:
    os.environ.clear()
    os.environ.update(env)
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream in (1, 2):
        os.dup2(out, stream)
    os.close(out)
    sys.argv = [module]
    sys.modules.pop(f"{module}.__main__", None)  # the program runs again
    runpy.run_module(module, run_name="__main__", alter_sys=True)
