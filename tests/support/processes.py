"""The machine's running processes, read from the kernel."""

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
