"""Runs of the programs that build images."""

import shutil
import subprocess
from typing import Final

from devcluster.errors import BuildError

TAIL_LINES: Final = 12
PACKAGES: Final = {"buildah": "buildah", "mmdebstrap": "mmdebstrap"}
"""From a program to the Debian package that has it."""


def run(program: str, *arguments: str) -> str:
    """Run a program, and return its output.

    Raises:
        BuildError: the program is missing or fails; the message shows the end of its output.
    """
    found = shutil.which(program)
    if found is None:
        raise BuildError(
            f"there is no `{program}` on PATH: install a Docker engine, or"
            f" `apt-get install {' '.join(PACKAGES.values())}`"
        )
    done = subprocess.run(
        [found, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        tail = "\n".join(f"  {line}" for line in done.stdout.splitlines()[-TAIL_LINES:])
        raise BuildError(f"{program} {arguments[0]} failed:\n{tail}")
    return done.stdout
