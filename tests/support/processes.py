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


def processes_with(variable: str, value: str) -> dict[int, str]:
    """Return the command lines, by pid, of processes that were started with that variable."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            variables = (path / "environ").read_bytes().split(b"\0")
            command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended, or is another user's
            continue
        if f"{variable}={value}".encode() in variables:
            found[int(path.name)] = command
    return found


def resident_mib(pid: int) -> float:
    """Return the memory that a process holds, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1]) / 1024
