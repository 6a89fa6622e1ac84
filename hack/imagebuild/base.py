"""The base of the images where no registry is in reach: Debian's packages, by mmdebstrap."""

import hashlib
import tempfile
from pathlib import Path
from typing import Final

from devcluster.image_tools import run_tool
from devcluster.progress import Progress

SUITE: Final = "trixie"
"""The Debian release; a test compares it and the packages with the Dockerfile's."""
PACKAGES: Final = ("ca-certificates", "python-is-python3", "python3", "tzdata")
"""The Dockerfile installs them too. With them in the base, a new base has all updates."""
UNUSED: Final = ("doc", "info", "lintian", "locale", "man")
"""Directories in ``/usr/share`` that nothing in a container reads."""
OF_THIS_MACHINE: Final = ("hostname", "resolv.conf", "apt/apt.conf.d/99mmdebstrap")
"""Files in ``/etc`` with this machine's settings."""
OPTIONS: Final = (
    "--quiet",
    "--variant=minbase",
    f"--include={','.join(PACKAGES)}",
    *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in UNUSED),
    f'--customize-hook=cd "$1/etc" && rm -f {" ".join(OF_THIS_MACHINE)}',
)
DOCKERFILE: Final = "FROM scratch\nADD base.tar /\n"


def ensure_base(apt_settings: Path, *, refresh: bool) -> str:
    """Return the name of the base in buildah's store, made if it isn't there.

    Args:
        apt_settings: a configuration file for apt, which the base does not keep.
        refresh: True to make it again, with Debian's updates.

    Raises:
        BuildError: mmdebstrap or buildah is missing or fails.
    """
    key = hashlib.sha256("\n".join((SUITE, *OPTIONS, DOCKERFILE)).encode()).hexdigest()
    name = f"localhost/wegent-base:{SUITE}-{key[:12]}"
    if (
        not refresh
        and run_tool("buildah", "images", "--quiet", f"--filter=reference={name}").strip()
    ):
        return name
    with (
        Progress(f"making a Debian {SUITE} base image (a minute, the first time)"),
        tempfile.TemporaryDirectory(prefix="wegent-base-") as directory,
    ):
        context = Path(directory)
        archive = str(context / "base.tar")
        run_tool("mmdebstrap", *OPTIONS, f"--aptopt={apt_settings}", SUITE, archive)
        (context / "Dockerfile").write_text(DOCKERFILE, encoding="utf-8")
        run_tool("buildah", "build", "--timestamp=0", f"--tag={name}", directory)
    return name
