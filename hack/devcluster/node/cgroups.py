"""A control group of the node's own: below this process's, so that its limits hold.

Both of the kernel's arrangements are served: one hierarchy for each controller (version
1), below the groups of this process; and one for all (version 2), where a group with
processes can't have groups below it that are controlled, so that it is made at the top.
"""

import contextlib
import os
import time
from pathlib import Path
from typing import Final

from devcluster.errors import NodeUnavailable

MOUNT: Final = Path("/sys/fs/cgroup")
PREFIX: Final = "wegent-node-"
CONTROLLERS: Final = ("cpu", "cpuset", "io", "memory", "pids")
POLL_S: Final = 0.05
INHERITED: Final = ("cpuset.cpus", "cpuset.mems")
"""Without them, no process may join a group of version 1's cpuset."""


class Cgroups:
    """The groups called ``name`` in every hierarchy."""

    def __init__(self, name: str) -> None:
        self._name = PREFIX + name
        self.unified = (MOUNT / "cgroup.controllers").exists()
        self._parents = [MOUNT] if self.unified else _own_groups()
        self.directories = [parent / self._name for parent in self._parents]

    def hierarchies(self) -> list[str]:
        """Return the name below :data:`MOUNT` and the options of each hierarchy of version 1."""
        return [] if self.unified else [word for pair in _hierarchies() for word in pair]

    def create(self) -> None:
        """Make the groups, after removing what runs left that were killed.

        Raises:
            NodeUnavailable: the kernel or a container around us refuses.
        """
        for parent in self._parents:
            for left in parent.glob(f"{PREFIX}*"):
                if not _in_use(left):
                    _remove(left)
        try:
            for directory in self.directories:
                directory.mkdir(exist_ok=True)
                for file in INHERITED:
                    above = directory.parent / file
                    if not self.unified and above.exists():
                        (directory / file).write_bytes(above.read_bytes())
            if self.unified:
                self._delegate(MOUNT)
        except OSError as error:
            raise NodeUnavailable(f"no control groups for a node: {error}") from error

    def remove(self, within_s: float) -> bool:
        """Remove the groups and those below; tell whether all went in time."""
        deadline = time.monotonic() + within_s
        while [directory for directory in self.directories if not _remove(directory)]:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True

    def _delegate(self, group: Path) -> None:
        there = (group / "cgroup.controllers").read_text(encoding="ascii").split()
        wanted = " ".join(f"+{name}" for name in CONTROLLERS if name in there)
        (group / "cgroup.subtree_control").write_text(wanted, encoding="ascii")


def _in_use(group: Path) -> bool:
    """Return whether a node runs in the group; below it, a pod's may be empty for a moment."""
    try:
        return any(file.read_bytes() for file in group.rglob("cgroup.procs"))
    except OSError:  # it goes just now
        return True


def _remove(group: Path) -> bool:
    for directory, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            Path(directory).rmdir()
    return not group.exists()


def _own_groups() -> list[Path]:
    """Return this process's group in each hierarchy of version 1."""
    own = {}
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        own[controllers.removeprefix("name=")] = path
    groups = []
    for name, options in _hierarchies():
        path = own.get(options.removeprefix("none,name="), "/")
        groups.append(MOUNT / name / path.lstrip("/"))
    return groups


def _hierarchies() -> list[tuple[str, str]]:
    found = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        left, _, right = line.partition(" - ")
        point, kind, options = Path(left.split()[4]), right.split()[0], right.split()[2].split(",")
        if kind == "cgroup" and point.parent == MOUNT:
            names = [option for option in options if option not in {"rw", "xattr"}]
            names = [name for name in names if not name.startswith(("release_agent=", "clone_"))]
            spelled = ",".join(names)
            found.append((point.name, f"none,{spelled}" if "name=" in spelled else spelled))
    return found
