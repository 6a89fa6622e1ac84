"""etcd, kube-apiserver and kube-controller-manager, and a kubeconfig for them.

No node: nothing here runs pods (``devcluster.node`` does). Everything else is Kubernetes
itself: CRDs, RBAC, admission policies, TokenRequest, garbage collection, namespaces.
"""

import json
import shutil
import signal
from pathlib import Path
from typing import Final, Self

from devcluster.addresses import Addresses
from devcluster.binaries import Binaries
from devcluster.commands import apiserver_command, controller_manager_command, etcd_command
from devcluster.credentials import Credentials
from devcluster.errors import PortTaken, ProgramFailed
from devcluster.health import endpoint_probe
from devcluster.kubeconfig import write_kubeconfig
from devcluster.ports import LOOPBACK, Ports, is_free
from devcluster.processes import wait_ready
from devcluster.servers import Servers

READY_WITHIN_S: Final = 60.0
"""For each server; three seconds are usual, a loaded machine takes more."""
PORT_ATTEMPTS: Final = 3
"""Between finding a free port and listening on it, somebody else may take it."""
DEFAULT_ACCOUNT: Final = "/api/v1/namespaces/default/serviceaccounts/default"


class ControlPlane:
    """One control plane in one directory: keys, data, logs, ports and process records.

    An object on the same directory, in this program or a later one, controls the
    same servers. As a context manager it starts and stops them.

    Args:
        binaries: the programs.
        directory: everything it writes; deleted by nobody here.
        fsync: whether data survives a power cut; tests do without.
        audit: whether requests are logged to :attr:`audit_log`.
        detached: whether the servers outlive this program.
        name: of the cluster in the kubeconfig.
        addresses: those of loopback if left out.
    """

    def __init__(
        self,
        binaries: Binaries,
        directory: Path,
        *,
        fsync: bool = True,
        audit: bool = False,
        detached: bool = False,
        name: str = "wegent-dev",
        addresses: Addresses | None = None,
    ) -> None:
        self.binaries = binaries
        self.directory = directory.absolute()
        self.kubeconfig = self.directory / "kubeconfig"
        """With the rights of a cluster administrator."""
        self.credentials = Credentials(self.directory / "pki")
        self.ca_file = self.credentials.authority.certificate
        self.audit_log = self.directory / "audit.log"
        """JSON lines, one for each write and each read that isn't the control plane's own."""
        self._fsync, self._audit, self._name = fsync, audit, name
        self._addresses = addresses or Addresses()
        self._servers = Servers(directory, detached=detached, host=self._addresses.apiserver)

    @property
    def server(self) -> str:
        """Base URL of the API server."""
        return self._servers.address()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> bool:
        """Start the servers, and return when the API serves and ServiceAccounts are made.

        Returns:
            Whether anything had to be started.

        Raises:
            ProgramFailed: a server died or did not get ready; nothing is left running.
            PortTaken: the ports of an earlier start are somebody else's now.
        """
        if self._servers.running():
            self._wait_for_apiserver()
            return False
        self.stop()  # a part that still runs was left by a crash
        data = self.directory / "etcd"
        had_data, fresh = data.exists(), not self._servers.ports_file.exists()
        for attempt in range(1, PORT_ATTEMPTS + 1):
            try:
                self._start_all()
            except ProgramFailed as error:
                self.stop()
                lost_race = fresh and "address already in use" in str(error)
                if not lost_race or attempt == PORT_ATTEMPTS:
                    raise
                self._servers.ports_file.unlink()
                if not had_data:
                    shutil.rmtree(data, ignore_errors=True)  # knows its peer port
            except BaseException:  # Ctrl-C too leaves nothing behind
                self.stop()
                raise
            else:
                break
        return True

    def stop(self) -> None:
        """Stop the servers; fine if none runs."""
        self._servers.stop()

    def stop_apiserver(self) -> None:
        """Stop the API server alone and at once; its data and its port stay.

        Left to itself, it would wait for the controller manager to end its watches.
        """
        self._servers.apiserver.stop(deadline_s=0)

    def start_apiserver(self) -> None:
        """Start the API server again where it was, and wait until it serves."""
        audit = (self.directory / "audit-policy.json", self.audit_log) if self._audit else None
        self._servers.apiserver.start(
            apiserver_command(
                self.binaries.kube_apiserver,
                self._servers.ports(),
                self.credentials,
                self._addresses,
                audit,
            )
        )
        self._wait_for_apiserver()

    def pause_apiserver(self) -> None:
        """Freeze the API server: it accepts connections and never answers."""
        self._servers.apiserver.signal(signal.SIGSTOP)

    def resume_apiserver(self) -> None:
        """Let a frozen API server go on."""
        self._servers.apiserver.signal(signal.SIGCONT)

    def _start_all(self) -> None:
        ports, keys, servers = self._claim_ports(), self.credentials, self._servers
        keys.issue(self._addresses)
        write_kubeconfig(
            self.kubeconfig,
            name=self._name,
            server=self.server,
            ca_file=self.ca_file,
            credentials=keys.admin,
        )
        data = self.directory / "etcd"
        servers.etcd.start(etcd_command(self.binaries.etcd, ports, keys, data, fsync=self._fsync))
        etcd_ready = endpoint_probe(
            ports.etcd,
            "/readyz",
            ca_file=keys.etcd_authority.certificate,
            identity=keys.etcd_client,
        )
        wait_ready(servers.etcd, etcd_ready, within_s=READY_WITHIN_S)
        self.start_apiserver()
        program = self.binaries.kube_controller_manager
        servers.manager.start(
            controller_manager_command(program, ports, keys, self.server, self.directory)
        )
        for host, port, path in (
            (LOOPBACK, ports.controller_manager, "/healthz"),
            # Pods and tokens need it; that it is there shows the controllers at work.
            (self._addresses.apiserver, ports.apiserver, DEFAULT_ACCOUNT),
        ):
            probe = endpoint_probe(port, path, ca_file=self.ca_file, identity=keys.admin, host=host)
            needs = (servers.etcd, servers.apiserver)
            wait_ready(servers.manager, probe, within_s=READY_WITHIN_S, needs=needs)

    def _wait_for_apiserver(self) -> None:
        probe = endpoint_probe(
            self._servers.ports().apiserver,
            "/readyz",
            ca_file=self.ca_file,
            identity=self.credentials.admin,
            host=self._addresses.apiserver,
        )
        servers = self._servers
        wait_ready(servers.apiserver, probe, within_s=READY_WITHIN_S, needs=(servers.etcd,))

    def _claim_ports(self) -> Ports:
        """Return the ports of the last start, which kubeconfigs out there name, else free ones."""
        ports_file = self._servers.ports_file
        if not ports_file.exists():
            self.directory.mkdir(parents=True, exist_ok=True)
            ports = Ports.free()
            ports_file.write_text(json.dumps(ports._asdict()), encoding="utf-8")
            return ports
        ports = self._servers.ports()
        for server, port in ports._asdict().items():
            host = self._addresses.apiserver if server == "apiserver" else LOOPBACK
            if not is_free(port, host):
                raise PortTaken(
                    f"port {port} of {host}, which this cluster's {server} uses, is taken by"
                    f" another program. End that program, or let the cluster take new ports by"
                    f" removing {ports_file}"
                )
        return ports
