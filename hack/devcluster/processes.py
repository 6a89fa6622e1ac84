"""Servers that run in the background, found again by a later command."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from devcluster.errors import ProgramFailed
from devcluster.identity import Identity

TAIL_LINES: Final = 15
TAIL_BYTES: Final = 64 * 1024
"""How much of a log's end is read to find its last lines."""
POLL_S: Final = 0.05
KILL_DEADLINE_S: Final = 10.0
"""How long the kernel may take to end a process after SIGKILL."""


class Daemon:
    """One server: its log and the record of its process.

    Args:
        name: for messages and as the files' names.
        run_dir: holds ``<name>.json``, the record by which a later command finds it.
        log_dir: holds ``<name>.log`` of this start, and of the one before.
        die_with_parent: end when the starting program ends, however it ends.
    """

    def __init__(
        self, name: str, *, run_dir: Path, log_dir: Path, die_with_parent: bool = False
    ) -> None:
        self.name = name
        self.log = log_dir / f"{name}.log"
        self._record = run_dir / f"{name}.json"
        self._die_with_parent = die_with_parent
        self._child: subprocess.Popen[bytes] | None = None

    def start(self, argv: Sequence[str]) -> None:
        """Start the server unless it runs; it outlives this program unless told otherwise."""
        if self.running():
            return
        self._record.parent.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".previous.log"))
        with self.log.open("wb") as log:
            try:
                self._child = subprocess.Popen(
                    [*self._wrapper(), *argv],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    # Neither Ctrl-C nor the terminal's end reaches it: we stop it, in order.
                    start_new_session=True,
                )
            except OSError as error:
                raise ProgramFailed(f"{self.name} can't be run: {error}") from error
        identity = Identity.of(self._child.pid)
        if identity:
            part = self._record.with_suffix(".part")
            part.write_text(json.dumps(identity._asdict()), encoding="utf-8")
            part.replace(self._record)

    def identity(self) -> Identity | None:
        """Return the process while it runs, started by this program or another one."""
        if self._child is not None:
            # poll() reaps it, so that its pid stays ours until then.
            return Identity.of(self._child.pid) if self._child.poll() is None else None
        try:
            identity = Identity(**json.loads(self._record.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return identity if identity.alive() else None

    def recorded(self) -> bool:
        """Tell whether there is a record of the server, running or not."""
        return self._record.exists()

    def running(self) -> bool:
        """Tell whether the server runs."""
        return self.identity() is not None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens if the server does not run."""
        identity = self.identity()
        if identity is not None:
            identity.end(number, within_s=0)

    def stop(self, deadline_s: float) -> None:
        """Ask the server to end; after ``deadline_s`` seconds make it."""
        identity = self.identity()
        # A paused server hears SIGTERM only once it goes on.
        if (
            identity is not None
            and not identity.end(signal.SIGTERM, signal.SIGCONT, within_s=deadline_s)
            and not identity.end(signal.SIGKILL, within_s=KILL_DEADLINE_S)
        ):
            raise ProgramFailed(f"{self.name} (pid {identity.pid}) can't be ended")
        if self._child is not None:
            self._child.wait()
            self._child = None
        self._record.unlink(missing_ok=True)

    def failure(self, what: str) -> ProgramFailed:
        """Return an error that says what happened and what the server said last."""
        return ProgramFailed(f"{self.name} {what}; the end of {self.log}:\n{self._log_tail()}")

    def _log_tail(self) -> str:
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            lines = []
        return "\n".join(f"    {line}" for line in lines[-TAIL_LINES:]) or "    (it is empty)"

    def _wrapper(self) -> list[str]:
        # The kernel's death signal belongs to the *thread* that forked, so only the main
        # one may ask for it. setpriv execs the program: same process, same identity.
        main = threading.current_thread() is threading.main_thread()
        setpriv = shutil.which("setpriv") if self._die_with_parent and main else None
        return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def wait_ready(
    daemon: Daemon,
    probe: Callable[[], str | None],
    *,
    within_s: float,
    needs: Sequence[Daemon] = (),
) -> None:
    """Wait until ``probe`` finds nothing missing.

    Args:
        daemon: the server waited for.
        probe: returns None when ready, else what is missing.
        within_s: the deadline.
        needs: servers without which the wait is in vain.

    Raises:
        ProgramFailed: one of them ended, or the deadline passed.
    """
    deadline = time.monotonic() + within_s
    while (missing := probe()) is not None:
        for server in (*needs, daemon):
            if not server.running():
                raise server.failure("ended by itself")
        if time.monotonic() > deadline:
            raise daemon.failure(f"was not ready after {within_s:.0f} s ({missing})")
        time.sleep(POLL_S)
