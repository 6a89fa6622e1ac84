"""Servers that run in the background, found again by a later command.

A server holds a lock on the file with its pid for as long as it lives: the kernel drops the lock
when the process ends, and a copy of the file has none. So a file from before a crash, a reboot or
a copy never leads to a signal to another program, which a pid and psutil's ``create_time``, which
moves with the wall clock, can't promise.

Containers may share the directory, and then they share the lock too, but not the pids: the file
names the pid's namespace.
"""

import contextlib
import fcntl
import os
import select
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TextIO

from devcluster.errors import ProgramFailed

TAIL_LINES: Final = 15
POLL_S: Final = 0.05
KILL_DEADLINE_S: Final = 10.0
"""Seconds that the kernel may take to end a process after SIGKILL."""
SETTLE_S: Final = 1.0
"""Seconds for which a locked pid file is waited for: other commands lock it for an instant, or have
locked it and write the pid next."""


class Daemon:
    """One server: its log and its pid file.

    Args:
        name: for messages and as the files' names.
        directory: holds ``run/<name>.pid``, and ``logs/<name>.log`` of this start and of the one
            before.
        die_with_parent: end when the starting program ends, however it ends.
    """

    def __init__(self, name: str, directory: Path, *, die_with_parent: bool = False) -> None:
        self.name = name
        self.log = directory / "logs" / f"{name}.log"
        self._pid_file = directory / "run" / f"{name}.pid"
        self._die_with_parent = die_with_parent
        self._child: subprocess.Popen[bytes] | None = None

    def start(
        self,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        *,
        cwd: Path | None = None,
        umask: int = -1,
    ) -> None:
        """Start the server unless it runs; it outlives this program unless told otherwise.

        Args:
            argv: its command line.
            env: its environment; this program's if left out.
            cwd: its working directory; this program's if left out.
            umask: its umask; this program's if negative.

        Raises:
            ProgramFailed: it can't be run, or it runs in another container.
        """
        if self.running():
            return
        for file in (self._pid_file, self.log):
            file.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".previous.log"))
        with self.log.open("wb") as log, self._pid_file.open("a", encoding="ascii") as lock:
            self._lock(lock)
            lock.truncate(0)
            try:
                self._child = subprocess.Popen(
                    [*self._wrapper(), *argv],
                    cwd=cwd,
                    env=env,
                    umask=umask,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[lock.fileno()],
                    # Neither Ctrl-C nor the terminal's end reaches it: we stop it, in order.
                    start_new_session=True,
                )
            except OSError as error:
                raise ProgramFailed(f"{self.name} can't be run: {error}") from error
            lock.write(f"{self._child.pid} {_pid_namespace()}")

    def pid(self) -> int | None:
        """Return the server's pid while it runs, started by this program or another one.

        Raises:
            ProgramFailed: it runs where this program can't reach it.
        """
        if self._child is not None:
            # poll() reaps it, so that its pid stays ours until then.
            return self._child.pid if self._child.poll() is None else None
        earlier = self._pid_file.with_suffix(".json")
        if earlier.exists():
            raise ProgramFailed(
                f"an earlier version of this program started {self.name}: run `make down` of that"
                f" version, or remove {earlier} if {self.name} does not run"
            )
        try:
            file = self._pid_file.open(encoding="ascii")
        except OSError:
            return None
        with file:
            return self._holder(file)

    def recorded(self) -> bool:
        """Return whether the server was started and not stopped, running or not."""
        return self._pid_file.exists()

    def running(self) -> bool:
        """Return whether the server runs."""
        return self.pid() is not None

    def signal(self, *numbers: signal.Signals, within_s: float = 0) -> bool:
        """Send signals and return whether the server ended in time; true if it did not run."""
        pid = self.pid()
        try:
            # A pidfd stays with its process: between looking and signalling, nobody
            # else can come by the pid.
            fd = None if pid is None else os.pidfd_open(pid)
            if fd is None:
                return True
        except ProcessLookupError:
            return True
        try:
            if self.pid() != pid:
                return True
            for number in numbers:
                signal.pidfd_send_signal(fd, number)
            return has_ended(fd, within_s)
        except ProcessLookupError:
            return True
        finally:
            os.close(fd)

    def stop(self, deadline_s: float) -> None:
        """Ask the server to end; after ``deadline_s`` seconds make it."""
        # A paused server hears SIGTERM only once it goes on.
        if not (
            self.signal(signal.SIGTERM, signal.SIGCONT, within_s=deadline_s)
            or self.signal(signal.SIGKILL, within_s=KILL_DEADLINE_S)
        ):
            raise ProgramFailed(f"{self.name} (pid {self.pid()}) can't be ended")
        if self._child is not None:
            self._child.wait()
            self._child = None
        self._pid_file.unlink(missing_ok=True)

    def failure(self, what: str) -> ProgramFailed:
        """Return an error that says what happened and what the server said last."""
        try:
            with self.log.open(encoding="utf-8", errors="replace") as log:
                tail = "".join(f"    {line}" for line in deque(log, TAIL_LINES))
        except OSError:
            tail = ""
        said = tail.rstrip("\n") or "    (it is empty)"
        return ProgramFailed(f"{self.name} {what}; the end of {self.log}:\n{said}")

    def _lock(self, file: TextIO) -> None:
        deadline = time.monotonic() + SETTLE_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise ProgramFailed(f"another command starts {self.name}") from error
                time.sleep(POLL_S)
            else:
                return

    def _holder(self, file: TextIO) -> int | None:
        """Return the pid of the process that has locked the pid file."""
        deadline = time.monotonic() + SETTLE_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
            else:
                return None
            pid, _, namespace = file.read().partition(" ")
            if namespace:
                found = int(pid) if namespace == str(_pid_namespace()) else None
                break
            if time.monotonic() > deadline:  # the command that started it was killed
                found = _session_leader_with_lock(file)
                break
            time.sleep(POLL_S)
        if found is None:
            raise ProgramFailed(
                f"{self.name} runs in another container or as another user: {self._pid_file} is"
                f" locked, and no process that can be seen here has locked it. Stop it there"
            )
        return found

    def _wrapper(self) -> list[str]:
        # The kernel's death signal belongs to the *thread* that forked, so only the main
        # one may ask for it. setpriv execs the program: same process, same pid.
        main = threading.current_thread() is threading.main_thread()
        setpriv = shutil.which("setpriv") if self._die_with_parent and main else None
        return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def has_ended(pidfd: int, within_s: float) -> bool:
    """Return whether the process has ended in time."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(within_s * 1000))


def _pid_namespace() -> int:
    return Path("/proc/self/ns/pid").stat().st_ino


def _session_leader_with_lock(file: TextIO) -> int | None:
    """Return the process that leads its session, as servers do, and holds a lock on ``file``."""
    wanted = os.fstat(file.fileno())
    for process in Path("/proc").glob("[0-9]*"):
        pid = int(process.name)
        with contextlib.suppress(OSError):  # it ended, or is another user's
            if os.getsid(pid) == pid and _holds_lock(process, wanted):
                return pid
    return None


def _holds_lock(process: Path, wanted: os.stat_result) -> bool:
    for descriptor in (process / "fd").iterdir():
        with contextlib.suppress(OSError):  # it was closed
            locks = process / "fdinfo" / descriptor.name
            if os.path.samestat(descriptor.stat(), wanted) and "FLOCK" in locks.read_text("ascii"):
                return True
    return False


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
    while True:
        missing = probe()
        for server in (*needs, daemon):
            if not server.running():
                raise server.failure("ended by itself")
        if missing is None:
            return
        if time.monotonic() > deadline:
            raise daemon.failure(f"was not ready after {within_s:.0f} s ({missing})")
        time.sleep(POLL_S)
