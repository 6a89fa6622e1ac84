"""Which process a record means.

A process is known by its pid *and* the moment it started: pids are used again, and a
record from before a reboot must never lead to a signal to somebody else's program.

This module does without psutil. The ``create_time`` of psutil moves with the wall clock, so that
a record would lose its server. psutil also signals by pid, which may be another process's by then.
"""

import contextlib
import os
import select
import signal
from pathlib import Path
from typing import NamedTuple, Self


class Identity(NamedTuple):
    """One process, not to be mistaken for a later one with its pid."""

    pid: int
    started: int
    """Clock ticks after the boot, field 22 of proc_pid_stat(5)."""
    boot: str
    """The kernel's random id of this boot."""

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Return who has ``pid`` now; None if nobody, or only a zombie."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        except OSError:
            return None
        # The program's name, in parentheses, may itself hold spaces and parentheses.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]), boot)

    def alive(self) -> bool:
        """Tell whether this very process still runs."""
        return self.of(self.pid) == self

    def end(self, *numbers: signal.Signals, within_s: float) -> bool:
        """Send signals and tell whether the process ended in time; true if it was gone before."""
        try:
            # A pidfd stays with its process: between looking and signalling, nobody
            # else can come by the pid.
            fd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            if not self.alive():
                return True
            with contextlib.suppress(ProcessLookupError):
                for number in numbers:
                    signal.pidfd_send_signal(fd, number)
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            return bool(poll.poll(within_s * 1000))
        finally:
            os.close(fd)
