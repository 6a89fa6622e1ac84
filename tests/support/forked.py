"""Wegent's programs, each forked from a process that has imported them already.

Importing takes most of the time that a start takes, and the tests start many hundred programs. All
else is as with ``python -m``: the module runs as ``__main__`` in a process of its own, with its own
environment and log. A command of ``wegent`` has its own environment, directory and streams. The
tests of ``make up``, of the images and of the chart start the real programs, and so do the tests of
the command at a terminal.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Final

from wegent_cli.__main__ import main as wegent

IMPORTED: Final = (
    "wegent_api.__main__",
    "wegent_operator.__main__",
    "wegent_runner.__main__",
    "wegent_cli.app",
    "tests.support.frozen",
)
"""Modules imported once for all starts; none of Wegent's reads the environment at its import."""

_FORKS: Final = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(list(IMPORTED))
_ONE_AT_A_TIME: Final = threading.Lock()
"""multiprocessing asks all processes for their exit codes at each start. Of two threads that read
one exit code at once, one gets 255."""


class Forked:
    """A running program; it has the part of ``subprocess.Popen`` that the tests need.

    Args:
        target: a function of a module, which runs in the new process.
        env: its whole environment.
        arguments: the function's arguments.
    """

    def __init__(
        self, target: Callable[..., None], env: Mapping[str, str], *arguments: Any
    ) -> None:
        self._process: ForkServerProcess = _FORKS.Process(
            target=_begin, args=(target, dict(env), *arguments), daemon=True
        )
        with _ONE_AT_A_TIME:
            self._process.start()

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        with _ONE_AT_A_TIME:
            return self._process.exitcode

    def wait(self, timeout: float) -> int:
        """Wait until the program has ended, and return its exit code.

        Raises:
            subprocess.TimeoutExpired: the program still runs after ``timeout`` seconds.
        """
        if self.poll() is None:
            connection.wait([self._process.sentinel], timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired(str(self._process.name), timeout)
        return code

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
    """Start a program.

    Args:
        module: the argument of ``python -m``.
        env: the program's whole environment.
        log: the file to which both of its streams are appended.
    """
    if not forks:
        return run_python(("-m", module), env, log)
    return Forked(_run, env, module, str(log))


def start_command(
    arguments: Sequence[str], env: Mapping[str, str], directory: Path, streams: Sequence[Path]
) -> Forked:
    """Start ``wegent``.

    Args:
        arguments: the path of the command, and its arguments.
        env: its whole environment.
        directory: its working directory.
        streams: the files of its standard input, output and error, created where they are
            missing. A terminal becomes its own, so that Ctrl-C reaches it.
    """
    return Forked(_command, env, list(arguments), str(directory), list(map(str, streams)))


def run_python(
    arguments: Sequence[str], env: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Start Python with ``arguments``; both of its streams are appended to the log."""
    with log.open("ab") as out:
        return subprocess.Popen(
            (sys.executable, *arguments), env=dict(env), stdout=out, stderr=subprocess.STDOUT
        )


def _begin(target: Callable[..., None], env: dict[str, str], *arguments: Any) -> None:
    """Run a program, which is killed when the tests have ended, even if they were killed."""
    tests = multiprocessing.parent_process()
    assert tests is not None

    def end() -> None:
        tests.join()
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=end, daemon=True).start()
    os.environ.clear()
    os.environ.update(env)
    target(*arguments)


def _run(module: str, log: str) -> None:
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream in (1, 2):
        os.dup2(out, stream)
    os.close(out)
    sys.argv = [module]
    sys.modules.pop(f"{module}.__main__", None)  # the program runs again
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _command(arguments: list[str], directory: str, streams: list[str]) -> None:
    os.setsid()
    for number, path in enumerate(streams):
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(file, number)
        os.close(file)
    os.chdir(directory)
    encoding = os.environ.get("PYTHONIOENCODING", "utf-8")
    sys.stdin = open(0, encoding=encoding, closefd=False)  # noqa: SIM115 - as long as the process
    sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115
    sys.stderr = open(  # noqa: SIM115
        2, "w", buffering=1, encoding=encoding, errors="backslashreplace", closefd=False
    )
    sys.argv = arguments
    sys.exit(wegent())
