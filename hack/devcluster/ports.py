"""TCP ports of this machine."""

import random
import socket
from pathlib import Path
from typing import Final

LOOPBACK: Final = "127.0.0.1"
LOWEST: Final = 20_000
"""Above what well-known services and most development servers take."""
DEFAULT_EPHEMERAL_START: Final = 32_768
ATTEMPTS: Final = 1_000


def free_ports(count: int) -> list[int]:
    """Return ports nobody listens on, from below the kernel's ephemeral range.

    Not by binding to port 0: those ports are the ones that outgoing connections get,
    and while a server is down, a client that keeps trying its port may be given that
    very port and connect to itself, so that the server can't come back.
    """
    found: list[int] = []
    end = _ephemeral_start()
    for _ in range(ATTEMPTS):
        if len(found) == count:
            return found
        port = random.randrange(LOWEST, end)  # noqa: S311 - nothing secret
        if port not in found and is_free(port):
            found.append(port)
    raise OSError(f"no {count} free TCP ports from {LOWEST} to {end}")


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Return whether a server could listen on ``port`` now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            # As Go's listeners do: connections in TIME_WAIT don't count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError:
        return False
    return True


def _ephemeral_start() -> int:
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    except OSError:
        return DEFAULT_EPHEMERAL_START
    start = int(text.split()[0])
    return start if start > LOWEST else DEFAULT_EPHEMERAL_START
