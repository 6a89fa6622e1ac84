"""The embedded cluster: a control plane that outlives the command that starts it."""

from pathlib import Path

from devcluster.controlplane import ControlPlane
from devcluster.ownership import refusal
from devcluster.providers import Status


class EmbeddedCluster:
    """A control plane with its data in ``directory``."""

    def __init__(self, directory: Path) -> None:
        self._plane = ControlPlane(None, directory, detached=True)
        self.kubeconfig = self._plane.kubeconfig

    def up(self) -> bool:
        """Start it with the programs of this machine, fetched if missing."""
        return self._plane.start()

    def adopt(self, original: Path) -> None:
        """Keep the data of a stopped cluster, and let it take a port of its own.

        Raises:
            ForeignState: the data was copied while the cluster ran.
        """
        if any(server.recorded() for server in self._plane.servers):
            raise refusal(self._plane.directory, original, " while the cluster ran")
        self._plane.port_file.unlink(missing_ok=True)
        self.kubeconfig.unlink(missing_ok=True)

    def down(self) -> None:
        """Stop its servers."""
        self._plane.stop()

    def status(self) -> Status:
        """Say which servers run."""
        pids = {server.name: server.pid() for server in self._plane.servers}
        details = [
            f"{name}: {f'pid {pid}' if pid else 'does not run'}" for name, pid in pids.items()
        ]
        running = all(pids.values())
        return Status(running, (*([self._plane.server] if running else []), *details))

    def clean(self) -> None:
        """Stop it; all its data is in its directory."""
        self.down()
