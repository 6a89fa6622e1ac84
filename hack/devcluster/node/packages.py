"""Debian's packages that a node and its images are made with."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from typing import Final

from devcluster.binaries import Programs
from devcluster.errors import NodeUnavailable
from devcluster.node.requirements import PLUGIN_PACKAGE, TOOLS, plugin_directories
from devcluster.progress import Progress
from imagebuild.run import PACKAGES as IMAGE_TOOLS

RUNC_TOOLS: Final = {"gcc": "gcc", "pkg-config": "pkg-config"}
RUNC_LIBRARY: Final = "libseccomp"
RUNC_PACKAGE: Final = "libseccomp-dev"
QUIET: Final = {"DEBIAN_FRONTEND": "noninteractive"}


def missing_packages() -> list[str]:
    """Return the packages that would bring what is missing on this machine."""
    tools = TOOLS | IMAGE_TOOLS
    if not Programs.of_this_machine().has("runc"):  # it is partly C, and built here
        tools |= RUNC_TOOLS
    wanted = {package for tool, package in tools.items() if shutil.which(tool) is None}
    if not plugin_directories():
        wanted.add(PLUGIN_PACKAGE)
    if RUNC_TOOLS.keys() <= tools.keys() and not _has_library(RUNC_LIBRARY):
        wanted.add(RUNC_PACKAGE)
    return sorted(wanted)


def install(packages: Iterable[str]) -> None:
    """Install packages with apt-get, and say so.

    Raises:
        NodeUnavailable: this is no Debian, we are not root, or apt-get failed.
    """
    names = list(packages)
    if not names:
        return
    spelled = " ".join(names)
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        raise NodeUnavailable(f"install these Debian packages, or what they are here: {spelled}")
    command = [apt, "install", "--yes", "--quiet", "--no-install-recommends", *names]
    with Progress(f"installing Debian packages on this machine, which a node needs: {spelled}"):
        done = _run(command)
        if done.returncode:  # the lists may be old, or were never fetched
            _run([apt, "update", "--quiet"])
            done = _run(command)
    if done.returncode:
        tail = "\n".join(f"  {line}" for line in done.stdout.splitlines()[-8:])
        raise NodeUnavailable(f"apt-get can't install {spelled}:\n{tail}")


def _has_library(name: str) -> bool:
    program = shutil.which("pkg-config")
    return program is not None and _run([program, "--exists", name]).returncode == 0


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=os.environ | QUIET,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
