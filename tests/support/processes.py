"""The machine's running processes, read from the kernel."""

import re
from pathlib import Path


def processes_naming(directory: Path) -> list[str]:
    """Return the command lines that name a path in ``directory``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"{directory}/" in command:
            found.append(command)
    return found


def resident_mib(pid: int) -> float:
    """Return the memory that a process holds, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1]) / 1024
