"""``python -m imagebuild.stage PROGRAM DIRECTORY``: the Dockerfile's first stage.

The directory gets the image's Python packages, compiled, and the bill of materials of the whole
image. Its Debian packages are those of this file system.
"""

import argparse
import compileall
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Final

from devcluster.platforms import platform_name
from imagebuild import packages, sbom
from imagebuild.images import IMAGES, PREFIX, SBOM
from imagebuild.release import Release

DPKG: Final = Path("/var/lib/dpkg/status")


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill the directory; return the program's exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m imagebuild.stage", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("program", choices=IMAGES)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--dpkg", type=Path, default=DPKG, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    image, target = IMAGES[options.program], options.directory
    packages.install_locked(image, platform_name().partition("-")[2], target)
    with tempfile.TemporaryDirectory() as work:
        packages.install_ours(image, target, Path(work))
    compiled = compileall.compile_dir(
        str(target),
        quiet=1,
        stripdir=str(target),
        prependdir=PREFIX,
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )
    release = Release.of_the_checkout()
    bill = sbom.describe(
        name=image.repository,
        version=release.version,
        python=target,
        dpkg=options.dpkg if options.dpkg.exists() else None,
        created=release.created,
    )
    (target / SBOM).write_bytes(bill)
    return 0 if compiled else 1


if __name__ == "__main__":
    sys.exit(main())
