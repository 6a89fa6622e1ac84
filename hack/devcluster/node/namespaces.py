"""The namespaces that a node lives in, held by one process that does nothing.

``unshare`` makes them and starts the holder as their process 1. When that ends, the
kernel kills every other process in them, and what only they had is gone: mounts, links,
packet filter rules. ``--kill-child`` and the death signal of the program that started it
see to it that the holder does not outlive either.
"""

import os
import time
from pathlib import Path
from typing import Final

from devcluster.errors import NodeUnavailable
from devcluster.node.cgroups import MOUNT, Cgroups
from devcluster.processes import Daemon, has_ended
from devcluster.shell import output_of

STARTED_WITHIN_S: Final = 10.0
GONE_WITHIN_S: Final = 15.0
POLL_S: Final = 0.02
MOUNTS: Final = Path(__file__).with_name("mounts.sh")
INSIDE: Final = Path("/run/wegent-node")
"""The node's directory, inside: short, since the paths of sockets may not be long."""
KINDS: Final = ("--mount", "--net", "--pid", "--ipc", "--uts", "--cgroup")
JOIN: Final = 'for file in $1; do echo 0 > "$file"; done; shift; exec "$@"'
"""A process joins control groups by writing 0; then it becomes what it was started for."""


class Namespaces:
    """The namespaces of the node in ``directory``.

    Args:
        directory: of the node; seen as :data:`INSIDE` from inside.
        holder: runs ``pause``.
        pause: the program.
        cgroups: the node's own.
    """

    def __init__(self, directory: Path, holder: Daemon, pause: Path, cgroups: Cgroups) -> None:
        self._directory = directory
        self._holder = holder
        self._pause = pause
        self._cgroups = cgroups
        self._first: int | None = None
        self._pidfd: int | None = None

    @property
    def pid(self) -> int:
        """The holder's, as this machine counts."""
        if self._first is None:
            raise NodeUnavailable("the node does not run")
        return self._first

    def start(self) -> None:
        """Make the namespaces, with the mounts that keep the node to itself.

        Raises:
            NodeUnavailable: the kernel refuses.
        """
        self._cgroups.create()
        groups = " ".join(str(group / "cgroup.procs") for group in self._cgroups.directories)
        options = ("--fork", "--kill-child", "--mount-proc", "--propagation", "private")
        unshare = ("unshare", *KINDS, *options, str(self._pause))
        self._holder.start(["sh", "-c", JOIN, "sh", groups, *unshare])
        self._first = self._wait_for_first()
        self._pidfd = os.pidfd_open(self._first)
        self._mount()

    def enter(self, *command: str) -> list[str]:
        """Return the command line that runs ``command`` inside."""
        groups = f"{MOUNT}/{'programs' if self._cgroups.unified else '*'}/cgroup.procs"
        return self._enter("sh", "-c", JOIN, "sh", groups, *command)

    def run(self, *command: str, stdin: Path = Path("/dev/null")) -> str:
        """Run a command inside and return what it printed.

        Raises:
            NodeUnavailable: it failed; the message has what it said.
        """
        what = " ".join(command)
        return output_of(self.enter(*command), what, error=NodeUnavailable, stdin=stdin)

    def stop(self) -> None:
        """End everything inside; fine if nothing runs.

        Raises:
            NodeUnavailable: something of it did not go.
        """
        self._holder.stop(deadline_s=0)
        if self._pidfd is not None:
            # It waits for all other processes of its namespace.
            if not has_ended(self._pidfd, GONE_WITHIN_S):
                raise NodeUnavailable(f"the node's process {self._first} can't be ended")
            os.close(self._pidfd)
        self._first = self._pidfd = None
        if not self._cgroups.remove(GONE_WITHIN_S):
            raise NodeUnavailable(f"control groups are left: {self._cgroups.directories}")

    def _enter(self, *command: str) -> list[str]:
        return ["nsenter", "--target", str(self.pid), *KINDS, "--", *command]

    def _wait_for_first(self) -> int:
        deadline = time.monotonic() + STARTED_WITHIN_S
        while time.monotonic() < deadline:
            outer = self._holder.pid()
            if outer is None:
                raise self._holder.failure("ended by itself")
            pids = Path(f"/proc/{outer}/task/{outer}/children").read_text(encoding="ascii").split()
            # Until it is the holder, it is still unshare, which mounts /proc for it.
            if pids and _program(int(pids[0])) == self._pause.resolve():
                return int(pids[0])
            time.sleep(POLL_S)
        raise self._holder.failure(f"was not ready after {STARTED_WITHIN_S:.0f} s")

    def _mount(self) -> None:
        """Give the node a /run and a /var of its own, and its control groups."""
        places = (str(self._directory), str(INSIDE))
        command = self._enter("sh", str(MOUNTS), *places, *self._cgroups.hierarchies())
        output_of(command, "the node's mounts", error=NodeUnavailable)


def _program(pid: int) -> Path | None:
    try:
        return Path(f"/proc/{pid}/exe").resolve(strict=True)
    except OSError:
        return None
