"""etcd, kube-apiserver and kube-controller-manager on loopback, and a kubeconfig for them.

No node: nothing here runs pods. Everything else is Kubernetes itself: CRDs, RBAC,
admission policies, TokenRequest, garbage collection, namespaces.
"""

import json
import shutil
import signal
from dataclasses import asdict, fields
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from devcluster.binaries import Binaries
from devcluster.commands import (
    Credentials,
    Ports,
    apiserver_command,
    controller_manager_command,
    etcd_command,
    issue_credentials,
)
from devcluster.errors import PortTaken, ProgramFailed
from devcluster.health import endpoint_probe
from devcluster.kubeconfig import write_kubeconfig
from devcluster.ports import LOOPBACK, free_ports, is_free
from devcluster.processes import Daemon, wait_ready

READY_WITHIN_S: Final = 60.0
"""For each server; three seconds are usual, a loaded machine takes more."""
STOP_WITHIN_S: Final = 10.0
"""For each server, before SIGKILL: a kube-apiserver whose etcd is gone ignores SIGTERM
for a minute, and what it serves is in etcd anyway."""
PORT_ATTEMPTS: Final = 3
"""Between finding a free port and listening on it, somebody else may take it."""
DEFAULT_ACCOUNT: Final = "/api/v1/namespaces/default/serviceaccounts/default"


class ControlPlane:
    """One control plane in one directory: keys, data, logs, ports and process records.

    Whoever constructs it on the same directory, in this program or a later one,
    controls the same servers. As a context manager it starts and stops them.

    Args:
        binaries: the programs.
        directory: everything it writes; deleted by nobody here.
        fsync: whether data survives a power cut; tests do without.
        audit: whether requests are logged to :attr:`audit_log`.
        detached: whether the servers outlive this program.
        name: of the cluster in the kubeconfig.
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
    ) -> None:
        self.binaries = binaries
        self.directory = directory.absolute()
        self.kubeconfig = self.directory / "kubeconfig"
        """With the rights of a cluster administrator."""
        self.ca_file = self.directory / "pki" / "ca.crt"
        self.audit_log = self.directory / "audit.log"
        """JSON lines, one for each write and each read that isn't the control plane's own."""
        self._fsync, self._audit, self._name = fsync, audit, name
        self._detached = detached
        self._ports_file = self.directory / "ports.json"
        self._etcd = self._daemon("etcd")
        self._apiserver = self._daemon("kube-apiserver")
        self._manager = self._daemon("kube-controller-manager")

    @property
    def server(self) -> str:
        """Base URL of the API server."""
        return f"https://{LOOPBACK}:{self._load_ports().apiserver}"

    def running(self) -> bool:
        """Tell whether all three servers run."""
        return not self.missing()

    def missing(self) -> list[str]:
        """Return the names of the servers that don't run."""
        return [daemon.name for daemon in self._daemons() if not daemon.running()]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start what does not run, and return when the API server serves and accounts work.

        Raises:
            ProgramFailed: a server died or did not get ready; nothing is left running.
            PortTaken: the ports of an earlier start are somebody else's now.
        """
        if self.running():
            return
        self.stop()  # a part that still runs was left by a crash
        fresh = not self._ports_file.exists()
        for attempt in range(PORT_ATTEMPTS):
            try:
                self._start_all()
            except ProgramFailed as error:
                self.stop()
                lost_race = fresh and "address already in use" in str(error)
                if not lost_race or attempt == PORT_ATTEMPTS - 1:
                    raise
                self._ports_file.unlink()
                shutil.rmtree(self.directory / "etcd", ignore_errors=True)  # knows its peer port
            except BaseException:  # Ctrl-C too leaves nothing behind
                self.stop()
                raise
            else:
                return

    def stop(self) -> None:
        """Stop the servers in the order in which they need each other; stopped ones are fine."""
        for daemon in reversed(self._daemons()):
            daemon.stop(STOP_WITHIN_S)

    def stop_apiserver(self) -> None:
        """Stop the API server alone; its data and its port stay.

        Left to itself, it would wait for the controller manager to end its watches.
        """
        self._apiserver.stop(deadline_s=0)

    def start_apiserver(self) -> None:
        """Start the API server again where it was, and wait until it serves."""
        audit = (self.directory / "audit-policy.json", self.audit_log) if self._audit else None
        self._apiserver.start(
            apiserver_command(
                self.binaries.kube_apiserver, self._load_ports(), self._credentials, audit
            )
        )
        self._wait_for_apiserver()

    def pause_apiserver(self) -> None:
        """Freeze the API server: it accepts connections and never answers."""
        self._apiserver.signal(signal.SIGSTOP)

    def resume_apiserver(self) -> None:
        """Let a frozen API server go on."""
        self._apiserver.signal(signal.SIGCONT)

    def _start_all(self) -> None:
        ports = self._claim_ports()
        keys, programs = self._credentials, self.binaries
        write_kubeconfig(
            self.kubeconfig,
            name=self._name,
            server=self.server,
            ca_file=self.ca_file,
            credentials=keys.admin,
        )
        self._etcd.start(
            etcd_command(programs.etcd, ports, keys, self.directory / "etcd", fsync=self._fsync)
        )
        etcd_ready = endpoint_probe(
            ports.etcd, "/readyz", ca_file=keys.etcd_authority, identity=keys.etcd_client
        )
        wait_ready(self._etcd, etcd_ready, within_s=READY_WITHIN_S)
        self.start_apiserver()
        self._manager.start(
            controller_manager_command(
                programs.kube_controller_manager, ports, keys, self.directory
            )
        )
        for port, path in (
            (ports.controller_manager, "/healthz"),
            # Pods and tokens need it; that it is there shows the controllers at work.
            (ports.apiserver, DEFAULT_ACCOUNT),
        ):
            probe = endpoint_probe(port, path, ca_file=self.ca_file, identity=keys.admin)
            wait_ready(
                self._manager, probe, within_s=READY_WITHIN_S, needs=(self._etcd, self._apiserver)
            )

    def _wait_for_apiserver(self) -> None:
        probe = endpoint_probe(
            self._load_ports().apiserver,
            "/readyz",
            ca_file=self.ca_file,
            identity=self._credentials.admin,
        )
        wait_ready(self._apiserver, probe, within_s=READY_WITHIN_S, needs=(self._etcd,))

    @cached_property
    def _credentials(self) -> Credentials:
        return issue_credentials(self.directory / "pki")

    def _claim_ports(self) -> Ports:
        """Return the ports of the last start, which kubeconfigs out there name, else free ones."""
        if not self._ports_file.exists():
            self.directory.mkdir(parents=True, exist_ok=True)
            ports = Ports(*free_ports(len(fields(Ports))))
            self._ports_file.write_text(json.dumps(asdict(ports)), encoding="utf-8")
            return ports
        ports = self._load_ports()
        for server, port in asdict(ports).items():
            if not is_free(port):
                raise PortTaken(
                    f"port {port} of {LOOPBACK}, which this cluster's {server} uses, is taken by"
                    f" another program. End that program, or let the cluster take new ports by"
                    f" removing {self._ports_file}"
                )
        return ports

    def _load_ports(self) -> Ports:
        return Ports(**json.loads(self._ports_file.read_text(encoding="utf-8")))

    def _daemons(self) -> tuple[Daemon, ...]:
        return self._etcd, self._apiserver, self._manager

    def _daemon(self, name: str) -> Daemon:
        return Daemon(
            name,
            run_dir=self.directory / "run",
            log_dir=self.directory / "logs",
            die_with_parent=not self._detached,
        )
