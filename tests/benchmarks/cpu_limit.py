"""A limit of a program's CPU, set as the kubelet sets ``resources.limits.cpu`` of a container."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

CGROUPS: Final = Path("/sys/fs/cgroup")
PERIOD_US: Final = 100_000


class LimitUnavailableError(Exception):
    """This machine lets this user set no limit."""


@contextmanager
def limited(pid: int, cores: float) -> Iterator[None]:
    """Give a process at most ``cores`` of CPU time for each second, until the end of the block.

    Raises:
        LimitUnavailableError: the machine has no cgroups that this user may write.
    """
    quota_us = int(cores * PERIOD_US)
    if (CGROUPS / "cpu" / "cpu.cfs_quota_us").exists():  # version 1
        parent, limit = CGROUPS / "cpu", ("cpu.cfs_quota_us", str(quota_us))
    else:
        parent, limit = CGROUPS, ("cpu.max", f"{quota_us} {PERIOD_US}")
    group = parent / f"wegent-benchmark-{pid}"
    try:
        group.mkdir()
        try:
            (group / limit[0]).write_text(limit[1], encoding="ascii")
            (group / "cgroup.procs").write_text(str(pid), encoding="ascii")
        except OSError:
            group.rmdir()
            raise
    except OSError as error:
        raise LimitUnavailableError(f"CPU can't be limited here: {error}") from error
    try:
        yield
    finally:
        (parent / "cgroup.procs").write_text(str(pid), encoding="ascii")
        group.rmdir()
