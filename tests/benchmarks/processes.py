"""A process's CPU time and memory so far, from the kernel."""

import os
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Usage:
    """The usage of one process, its threads included."""

    cpu_s: float
    resident_mib: float


def usage_of(pid: int) -> Usage:
    """Read the usage from ``/proc``."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    utime, stime = int(after_name[11]), int(after_name[12])
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return Usage((utime + stime) / TICKS_PER_S, pages * os.sysconf("SC_PAGE_SIZE") / MIB)


def peak_mib(pid: int) -> float:
    """Return a process's peak memory so far, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"no peak of process {pid}")
