"""Where the control plane's programs are."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from devcluster.errors import BinariesUnavailable
from devcluster.platforms import platform_name
from devcluster.releases import PROGRAMS


@dataclass(frozen=True, slots=True)
class Binaries:
    """The programs that a control plane is made of, and kubectl."""

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kubectl: Path

    @classmethod
    def of(cls, paths: Mapping[str, Path]) -> Self:
        """Return them from a mapping of the programs' names."""
        return cls(
            etcd=paths["etcd"],
            kube_apiserver=paths["kube-apiserver"],
            kube_controller_manager=paths["kube-controller-manager"],
            kubectl=paths["kubectl"],
        )


def cache_root() -> Path:
    """Return the cache's directory: outside the checkout, shared by all checkouts."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "wegent"


def find_binaries() -> Binaries:
    """Return the programs from KUBEBUILDER_ASSETS or the cache.

    Raises:
        BinariesUnavailable: neither has all of them.
    """
    paths = {}
    for program in PROGRAMS.values():
        path = cache_root() / program.release.directory_name(platform_name()) / program.name
        if not path.exists():
            raise BinariesUnavailable(f"no {path}")
        paths[program.name] = path
    return Binaries.of(paths)
