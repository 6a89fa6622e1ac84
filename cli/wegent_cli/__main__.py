"""The entry point of ``wegent`` and ``kubectl-wegent``.

The distribution without the extra ``cli`` has these commands too, so the packages of the extra are
imported here only, and their absence has a message with the remedy.
"""

import importlib.util
import sys
from pathlib import Path
from typing import Final

NEEDED: Final = ("httpx", "rich", "typer")
"""Packages of the extra ``cli`` that every command needs."""
USAGE: Final = 2
"""Exit status of a command that can't start."""
INTERRUPTED: Final = 130


def main() -> int:
    """Run the command line; return the exit status."""
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        sys.stderr.write(
            f"error: wegent needs the Python packages {', '.join(missing)}\n"
            "remedy: install wegent with its extra: pipx install 'wegent[cli]'\n"
        )
        return USAGE
    try:
        from wegent_cli.app import run  # noqa: PLC0415 - the packages may be missing

        return run(program_name(sys.argv[0]))
    except KeyboardInterrupt:  # before a command has begun
        return INTERRUPTED


def program_name(path: str) -> str:
    """Return the name by which the user called the program, for usage lines and completion."""
    name = Path(path).name
    if name.startswith("kubectl-"):
        return "kubectl wegent"
    return "wegent"


if __name__ == "__main__":
    sys.exit(main())
