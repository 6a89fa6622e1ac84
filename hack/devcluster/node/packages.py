"""Debian's packages that a node and its images are made with."""

import os
import shutil
from collections.abc import Iterable
from typing import Final

from devcluster.binaries import Programs
from devcluster.errors import ClusterError, NodeUnavailable
from devcluster.image_tools import PACKAGES as IMAGE_TOOLS
from devcluster.node.requirements import PLUGIN_PACKAGE, TOOLS, plugin_directories
from devcluster.progress import Progress
from devcluster.shell import output_of

RUNC_TOOLS: Final = {"gcc": "gcc", "pkg-config": "pkg-config"}
RUNC_LIBRARY: Final = "libseccomp"
RUNC_PACKAGE: Final = "libseccomp-dev"


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
        NodeUnavailable: this isn't Debian, the user isn't root, or apt-get failed.
    """
    names = list(packages)
    if not names:
        return
    spelled = " ".join(names)
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        raise NodeUnavailable(
            f"install these Debian packages, or this system's equivalents: {spelled}"
        )
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}

    def run(*command: str) -> None:
        what = f"apt-get can't install {spelled}"
        output_of([apt, *command], what, error=NodeUnavailable, env=environment)

    command = ("install", "--yes", "--quiet", "--no-install-recommends", *names)
    with Progress(f"installing Debian packages on this machine, which a node needs: {spelled}"):
        try:
            run(*command)
        except NodeUnavailable:  # the lists may be old, or were never fetched
            run("update", "--quiet")
            run(*command)


def _has_library(name: str) -> bool:
    try:
        output_of(["pkg-config", "--exists", name], "pkg-config")
    except ClusterError:
        return False
    return True
