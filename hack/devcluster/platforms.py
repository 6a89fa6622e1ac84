"""The machine's name, as Go and upstream's releases spell it."""

import platform
from typing import Final

from devcluster.errors import BinariesUnavailable

ARCHITECTURES: Final = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
}


def platform_name() -> str:
    """Return ``linux-amd64`` or ``linux-arm64``.

    Raises:
        BinariesUnavailable: upstream releases no control plane for this machine.
    """
    system, machine = platform.system(), platform.machine()
    if system != "Linux" or machine not in ARCHITECTURES:
        raise BinariesUnavailable(
            f"Kubernetes' servers are released for Linux on amd64 and arm64, not for"
            f" {system} on {machine}; use kind (--provider kind) or a cluster of yours"
        )
    return f"linux-{ARCHITECTURES[machine]}"
