"""Starts the command of a stdio server. It is run by path, and imports nothing of Wegent.

    python -I -S stdio_child.py PARENT COMMAND [ARGUMENT ...]

The kernel kills the command when the runner dies, also by SIGKILL. It can only be asked for that
in the child itself, and the setting survives exec.
"""

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Replace this process with the command."""
    parent, command, *arguments = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(parent):  # the runner died a moment ago
            sys.exit(1)
    os.execvp(command, [command, *arguments])  # noqa: S606 - a shell would interpret them


if __name__ == "__main__":
    main()
