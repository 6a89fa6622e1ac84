"""Starts the command of a stdio server, and ends all its processes with the runner.

It is run by path, and imports nothing of Wegent:

    python -I -S stdio_child.py FD COMMAND [ARGUMENT ...]

FD is the reading end of a pipe, whose other end the runner holds and writes nothing to. The pipe
ends when the runner closes it, and when the runner dies, also by SIGKILL. Then this process kills
all that the command has started, on Linux also processes that have left its group or session: they
become children of this one when their parents end.
"""

import ctypes
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36
ON_LINUX: Final = sys.platform == "linux"
ROUNDS: Final = 100
"""Rounds of kills. A process may start another while it is being killed."""
PAUSE_S: Final = 0.01


def main() -> None:
    """Start the command, and stay until its last process has ended or the pipe has."""
    watched, command, *arguments = sys.argv[1:]
    pipe = int(watched)
    if ON_LINUX:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    woken, waking = os.pipe()
    os.set_blocking(waking, False)
    signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    own = os.getpid()
    if os.fork() == 0:
        _become(own, command, arguments)
    _leave_streams()
    # select() takes no descriptor from 1,024 on, and the number of the pipe is that in the runner.
    watch = select.poll()
    for descriptor in (pipe, woken):
        watch.register(descriptor, select.POLLIN)
    while _has_children():
        if any(descriptor == pipe for descriptor, _ in watch.poll()):
            _kill_all()
            return
        os.read(woken, 1 << 10)


def _become(parent: int, command: str, arguments: list[str]) -> None:
    """Replace this process with the command. The kernel kills it if its parent is killed."""
    if ON_LINUX:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        # The pipes are closed by exec: Python's descriptors aren't inherited, and FD is the first.
        os.set_inheritable(int(sys.argv[1]), False)  # noqa: FBT003
        os.execvp(command, [command, *arguments])  # noqa: S606 - a shell would interpret them
    except OSError:
        os._exit(127)


def _leave_streams() -> None:
    """Close the streams of the command, so that the runner sees when the command closes them."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)


def _has_children() -> bool:
    """Take note of children that have ended; return False if none is left."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return False
    return True


def _kill_all() -> None:
    """Kill all descendants, and at last this process with its group."""
    for _ in range(ROUNDS):
        for pid in _descendants():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not (ON_LINUX and _has_children()):
            break
        time.sleep(PAUSE_S)
    os.killpg(0, signal.SIGKILL)


def _descendants() -> Iterator[int]:
    """Yield the processes that descend from this one. Without /proc there are none to be seen."""
    children: dict[int, list[int]] = {}
    for process in Path("/proc").iterdir() if ON_LINUX else ():
        if process.name.isdigit():
            with suppress(OSError):
                # The second field is a name that may hold spaces, parentheses and any bytes.
                fields = (process / "stat").read_bytes().rpartition(b")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(process.name))
    found = [os.getpid()]
    for pid in found:
        below = children.get(pid, [])
        yield from below
        found += below


if __name__ == "__main__":
    main()
