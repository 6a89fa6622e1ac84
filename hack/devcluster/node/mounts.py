"""A node's view of this machine's files: all of them, with some places of its own."""

from pathlib import Path
from typing import Final

from devcluster.node.cgroups import MOUNT, Cgroups

OWN: Final = """
set -e
# Pods' mounts reach those that ask for them; none of them leaves the node.
mount --make-rshared /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p {inside} /run/var/upper /run/var/work /run/lock
mount --bind "$1" {inside}
# The kubelet has two paths below /var that can't be configured.
mount -t overlay -o lowerdir=/var,upperdir=/run/var/upper,workdir=/run/var/work overlay /var
"""
ONE_HIERARCHY: Final = """
mount -t cgroup2 cgroup2 {groups}
mkdir -p {groups}/programs
for pid in $(cat {groups}/cgroup.procs); do
    echo "$pid" > {groups}/programs/cgroup.procs 2>/dev/null || true
done
for name in $(cat {groups}/cgroup.controllers); do
    echo "+$name" > {groups}/cgroup.subtree_control
done
"""
"""A group with processes can't have groups below it that are controlled: they move down."""
HIERARCHIES: Final = """
mount -t tmpfs -o mode=755 tmpfs {groups}
"""
HIERARCHY: Final = """
mkdir -p {groups}/{name}
mount -t cgroup -o {options} cgroup {groups}/{name}
"""


def mount_script(cgroups: Cgroups, inside: Path) -> str:
    """Return a shell script that makes the mounts.

    Args:
        cgroups: the node's own; they become the whole tree.
        inside: where the directory that is the script's argument is to be seen.
    """
    script = OWN.format(inside=inside)
    if cgroups.unified:
        return script + ONE_HIERARCHY.format(groups=MOUNT)
    script += HIERARCHIES.format(groups=MOUNT)
    for name, options in cgroups.hierarchies:
        script += HIERARCHY.format(groups=MOUNT, name=name, options=options)
    return script
