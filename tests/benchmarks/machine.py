"""The machine and the versions that figures depend on."""

import os
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from devcluster.releases import PROGRAMS


def machine() -> str:
    """Return the facts of the machine, with the load that it has now."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    load = ", ".join(f"{it:.1f}" for it in os.getloadavg())
    return (
        f"{len(os.sched_getaffinity(0))} cores ({model}), Python {platform.python_version()},"
        f" load {load}"
    )


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the versions of the cluster, of Python, and of ``packages`` that are installed."""
    installed = {it.metadata["Name"].lower(): it.version for it in metadata.distributions()}
    return {
        "Kubernetes": PROGRAMS["kube-apiserver"].release.version,
        "etcd": PROGRAMS["etcd"].release.version,
        "Python": platform.python_version(),
        **{name: installed[name] for name in packages if name in installed},
    }
