"""The programs that build images, and their packages."""

import shutil
from typing import Final

from devcluster.errors import BuildError
from devcluster.shell import output_of

PACKAGES: Final = {"buildah": "buildah", "mmdebstrap": "mmdebstrap"}
"""From a program to the Debian package that has it."""


def run_tool(program: str, *arguments: str) -> str:
    """Run a program that builds images, and return its output.

    Raises:
        BuildError: the program is missing or fails.
    """
    found = shutil.which(program)
    if found is None:
        raise BuildError(
            f"there is no `{program}` on PATH: install a Docker engine, or"
            f" `apt-get install {' '.join(PACKAGES.values())}`"
        )
    return output_of([found, *arguments], f"{program} {arguments[0]} failed", error=BuildError)
