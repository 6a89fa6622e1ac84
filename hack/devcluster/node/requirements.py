"""A node's requirements of this machine, checked before anything is started."""

import os
import shutil
from pathlib import Path
from typing import Final

from devcluster.errors import NodeUnavailable
from devcluster.shell import output_of

PLUGIN_DIRECTORIES: Final = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
"""Debian's, and where everybody else puts network plugins."""
PLUGINS: Final = ("ptp", "host-local", "loopback")
TOOLS: Final = {
    "ip": "iproute2",
    "nft": "nftables",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "mount": "mount",
    "setpriv": "util-linux",
}
"""Each with the Debian package that has it."""
PLUGIN_PACKAGE: Final = "containernetworking-plugins"
TRY_WITHIN_S: Final = 20
TRIES: Final = {
    "overlay file systems": "mkdir a b c d && mount -t overlay"
    " -o lowerdir=a,upperdir=b,workdir=c overlay d",
    "virtual links between network namespaces": "ip link add one type veth peer name two",
    "nftables": "nft add table ip wegent && nft 'add chain ip wegent c { type nat hook"
    " prerouting priority 0; }'",
    "forwarding of packets": "echo 1 > /proc/sys/net/ipv4/ip_forward",
}
"""Rights that the kernel must grant inside namespaces of our own, as shell commands."""


def missing(directory: Path) -> list[str]:
    """Return what is missing for a node in ``directory``, a line each; empty if nothing is."""
    if os.geteuid() != 0:
        return ["root: namespaces, mounts and packet filter rules are made"]
    lines = [
        f"the program {tool}, Debian package {package}"
        for tool, package in TOOLS.items()
        if shutil.which(tool) is None
    ]
    if not plugin_directories():
        places = " or ".join(map(str, PLUGIN_DIRECTORIES))
        lines.append(
            f"the network plugins {', '.join(PLUGINS)} in {places}, Debian package {PLUGIN_PACKAGE}"
        )
    if lines:
        return lines
    if directory.absolute().is_relative_to("/run"):
        return [f"another directory than {directory}: the node has a /run of its own"]
    directory.mkdir(parents=True, exist_ok=True)
    lines = [f"namespaces, which the kernel must grant: {said}" for said in _refused("true")]
    if lines:
        return lines
    for what, command in TRIES.items():
        at = f'cd "{directory}" && mkdir -p .try && mount -t tmpfs tmpfs .try && cd .try'
        # On the directory's own file system, where images are unpacked, for overlays.
        if "overlay" in command:
            at = f'cd "{directory}" && mkdir -p .try && cd .try'
        lines += [
            f"{what}, which the kernel must grant: {said}"
            for said in _refused(f"{at} && {command}")
        ]
        shutil.rmtree(directory / ".try", ignore_errors=True)
    return lines


def plugin_directories() -> list[Path]:
    """Return the directories that have all network plugins."""
    return [
        path
        for path in PLUGIN_DIRECTORIES
        if all(os.access(path / plugin, os.X_OK) for plugin in PLUGINS)
    ]


def _refused(script: str) -> list[str]:
    """Run ``script`` in namespaces of its own; return what was said if it failed."""
    command = ["unshare", "--mount", "--net", "--pid", "--cgroup", "--fork", "--kill-child"]
    command += ["--mount-proc", "sh", "-c", script]
    try:
        output_of(command, "refused", error=NodeUnavailable, within_s=TRY_WITHIN_S)
    except NodeUnavailable as error:
        said = str(error).splitlines()[-1].removeprefix("refused").removeprefix(":").strip()
        return [said or "it failed"]
    return []
