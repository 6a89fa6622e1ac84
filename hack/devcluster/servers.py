"""The three servers of one directory: found, counted and stopped, without any program at hand."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from devcluster.identity import Identity
from devcluster.ports import LOOPBACK, Ports
from devcluster.processes import Daemon

STOP_WITHIN_S: Final = 10.0
"""For each server, before SIGKILL: a kube-apiserver whose etcd is gone ignores SIGTERM
for a minute, and what it serves is in etcd anyway."""


class Servers:
    """The servers that keep their data, logs, ports and process records in ``directory``.

    Args:
        directory: of one control plane.
        detached: whether what is started outlives this program.
        host: the address that the API server listens on.
    """

    def __init__(self, directory: Path, *, detached: bool, host: str = LOOPBACK) -> None:
        self.directory = directory.absolute()
        self._host = host
        self.etcd, self.apiserver, self.manager = (
            Daemon(
                name,
                run_dir=self.directory / "run",
                log_dir=self.directory / "logs",
                die_with_parent=not detached,
            )
            for name in ("etcd", "kube-apiserver", "kube-controller-manager")
        )
        self.ports_file = self.directory / "ports.json"

    def __iter__(self) -> Iterator[Daemon]:
        """Give the servers in the order in which each needs those before it."""
        return iter((self.etcd, self.apiserver, self.manager))

    def processes(self) -> dict[str, Identity | None]:
        """Return each server's process by the server's name; None where it does not run."""
        return {daemon.name: daemon.identity() for daemon in self}

    def running(self) -> bool:
        """Tell whether all three run."""
        return all(self.processes().values())

    def ports(self) -> Ports:
        """Return where they listen; FileNotFoundError before the first start."""
        return Ports(**json.loads(self.ports_file.read_text(encoding="utf-8")))

    def address(self) -> str:
        """Return the base URL of the API server; FileNotFoundError before the first start."""
        return f"https://{self._host}:{self.ports().apiserver}"

    def stop(self) -> None:
        """Stop them, those first that need others; fine if none runs."""
        for daemon in reversed(list(self)):
            daemon.stop(STOP_WITHIN_S)
