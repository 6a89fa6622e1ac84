"""The embedded cluster: a control plane that outlives the command that starts it."""

from pathlib import Path

from devcluster.binaries import Programs, find_binaries
from devcluster.controlplane import ControlPlane
from devcluster.ownership import refusal
from devcluster.providers import Status
from devcluster.servers import Servers


class EmbeddedCluster:
    """A control plane with its data in ``directory``."""

    def __init__(self, directory: Path) -> None:
        self.kubeconfig = directory / "kubeconfig"
        self._directory = directory
        self._servers = Servers(directory, detached=True)

    def up(self) -> bool:
        """Start it with the programs of this machine, got if need be."""
        binaries = find_binaries(Programs.of_this_machine())
        return ControlPlane(binaries, self._directory, detached=True).start()

    def adopt(self, original: Path) -> None:
        """Keep the data of a stopped cluster, and let it take ports of its own.

        Raises:
            ForeignState: the data was copied while the cluster ran.
        """
        if any(server.recorded() for server in self._servers):
            raise refusal(self._directory, original, " while the cluster ran")
        self._servers.ports_file.unlink(missing_ok=True)
        self.kubeconfig.unlink(missing_ok=True)

    def down(self) -> None:
        """Stop its servers."""
        self._servers.stop()

    def status(self) -> Status:
        """Say which servers run."""
        processes = self._servers.processes()
        details = tuple(
            f"{name}: {f'pid {identity.pid}' if identity else 'does not run'}"
            for name, identity in processes.items()
        )
        if all(processes.values()):
            details = (self._servers.address(), *details)
        return Status(all(processes.values()), details)

    def clean(self) -> None:
        """Stop it; all its data is in its directory."""
        self.down()
