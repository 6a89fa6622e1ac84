"""etcd, kube-apiserver and kube-controller-manager, and a kubeconfig for them.

No node: nothing here runs pods (``devcluster.node`` does). Everything else is Kubernetes
itself: CRDs, RBAC, admission policies, TokenRequest, garbage collection, namespaces.
"""

import signal
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, Self

from devcluster.addresses import Addresses
from devcluster.binaries import Binaries, find_binaries
from devcluster.errors import PortTaken, ProgramFailed
from devcluster.files import write_whole
from devcluster.health import admin_context, fault_of
from devcluster.kubeconfig import write_kubeconfig
from devcluster.pki import Credentials
from devcluster.ports import free_ports, is_free
from devcluster.processes import Daemon, wait_ready
from devcluster.server_flags import apiserver_command, controller_manager_command, etcd_command

READY_WITHIN_S: Final = 60.0
"""For each server; three seconds are usual, a loaded machine takes more."""
STOP_WITHIN_S: Final = 10.0
"""For each server, before SIGKILL: a kube-apiserver whose etcd is gone ignores SIGTERM
for a minute, and what it serves is in etcd anyway."""
PORT_ATTEMPTS: Final = 3
"""Between finding a free port and listening on it, somebody else may take it."""
DEFAULT_ACCOUNT: Final = "/api/v1/namespaces/default/serviceaccounts/default"
UNUSED_ACCOUNT: Final = "/api/v1/namespaces/kube-public/serviceaccounts/default"
"""An account that no pod and no token has: while the controllers work, it comes back."""
OWNER_ONLY: Final = 0o077
"""The servers' umask: RBAC does not apply to a user who can write to etcd's socket."""


class ControlPlane:
    """One control plane in one directory: keys, data, logs, its port and pid files.

    An object on the same directory, in this program or a later one, controls the
    same servers. As a context manager it starts and stops them.

    Args:
        binaries: the programs; None to find them when they are needed.
        directory: everything it writes; deleted by nobody here.
        fsync: whether data survives a power cut; tests do without.
        audit: whether requests are logged to :attr:`audit_log`.
        detached: whether the servers outlive this program.
        name: of the cluster in the kubeconfig.
        addresses: those of loopback if left out.
    """

    def __init__(
        self,
        binaries: Binaries | None,
        directory: Path,
        *,
        fsync: bool = True,
        audit: bool = False,
        detached: bool = False,
        name: str = "wegent-dev",
        addresses: Addresses | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self.kubeconfig = self.directory / "kubeconfig"
        """With the rights of a cluster administrator."""
        self.credentials = Credentials(self.directory / "pki")
        self.ca_file = self.credentials.authority.certificate
        self.audit_log = self.directory / "audit.log"
        """JSON lines, one for each write and each read that isn't the control plane's own."""
        self.port_file = self.directory / "port"
        self._binaries, self._fsync, self._audit, self._name = binaries, fsync, audit, name
        self._addresses = addresses or Addresses()
        self.servers = self.etcd, self.apiserver, self.manager = tuple(
            Daemon(server, self.directory, die_with_parent=not detached)
            for server in ("etcd", "kube-apiserver", "kube-controller-manager")
        )
        """In the order in which each needs those before it."""

    @cached_property
    def binaries(self) -> Binaries:
        """The programs."""
        return self._binaries or find_binaries()

    @property
    def port(self) -> int:
        """The API server's port; FileNotFoundError before the first start."""
        return int(self.port_file.read_text(encoding="ascii"))

    @property
    def server(self) -> str:
        """Base URL of the API server."""
        return f"https://{self._addresses.apiserver}:{self.port}"

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
            PortTaken: the port of an earlier start is somebody else's now.
        """
        if all(server.running() for server in self.servers):
            self._wait_for_apiserver()
            return False
        self.stop()  # a part that still runs was left by a crash
        fresh = not self.port_file.exists()
        for attempt in range(1, PORT_ATTEMPTS + 1):
            try:
                self._start_all()
            except ProgramFailed as error:
                self.stop()
                lost_race = fresh and "address already in use" in str(error)
                if not lost_race or attempt == PORT_ATTEMPTS:
                    raise
                self.port_file.unlink()
            except BaseException:  # Ctrl-C too leaves nothing behind
                self.stop()
                raise
            else:
                break
        return True

    def stop(self) -> None:
        """Stop the servers, those first that need others; fine if none runs."""
        for server in reversed(self.servers):
            server.stop(STOP_WITHIN_S)

    def stop_apiserver(self) -> None:
        """Stop the API server alone and at once; its data and its port stay.

        Left to itself, it would wait for the controller manager to end its watches.
        """
        self.apiserver.stop(deadline_s=0)

    def start_apiserver(self) -> None:
        """Start the API server again where it was, and wait until it serves."""
        log = self.audit_log if self._audit else None
        program = self.binaries.kube_apiserver
        self._run(
            self.apiserver,
            apiserver_command(program, self.port, self.credentials, self._addresses, log),
        )
        self._wait_for_apiserver()

    def pause_apiserver(self) -> None:
        """Freeze the API server: it accepts connections and never answers."""
        self.apiserver.signal(signal.SIGSTOP)

    def resume_apiserver(self) -> None:
        """Let a frozen API server go on."""
        self.apiserver.signal(signal.SIGCONT)

    def _start_all(self) -> None:
        programs = self.binaries  # got before anything is written
        self._claim_port()
        keys, managers = self.credentials, self.directory / "controller-manager.kubeconfig"
        keys.issue(self._addresses)
        for path, name, pair in (
            (self.kubeconfig, self._name, keys.admin),
            (managers, "controller-manager", keys.manager),
        ):
            write_kubeconfig(
                path, name=name, server=self.server, ca_file=self.ca_file, credentials=pair
            )
        data = self.directory / "etcd"
        self._run(self.etcd, etcd_command(programs.etcd, data, fsync=self._fsync))
        self.start_apiserver()
        # An account from the last start would say nothing about this start's controllers.
        fault_of(self.server + UNUSED_ACCOUNT, admin_context(keys), method="DELETE")
        self._run(
            self.manager,
            controller_manager_command(programs.kube_controller_manager, managers, keys),
        )
        for account in (UNUSED_ACCOUNT, DEFAULT_ACCOUNT):  # pods and tokens need the latter
            self._wait(self.manager, account, needs=(self.etcd, self.apiserver))

    def _run(self, server: Daemon, command: Sequence[str]) -> None:
        server.start(command, cwd=self.directory, umask=OWNER_ONLY)

    def _wait_for_apiserver(self) -> None:
        self._wait(self.apiserver, "/readyz", needs=(self.etcd,))

    def _wait(self, daemon: Daemon, path: str, *, needs: tuple[Daemon, ...]) -> None:
        url, context = self.server + path, admin_context(self.credentials)
        wait_ready(daemon, lambda: fault_of(url, context), within_s=READY_WITHIN_S, needs=needs)

    def _claim_port(self) -> None:
        """Keep the port of the last start, which kubeconfigs out there name, else take a free one.

        Raises:
            PortTaken: another program has it now.
        """
        if not self.port_file.exists():
            write_whole(self.port_file, str(*free_ports(1)))
        elif not is_free(self.port, self._addresses.apiserver):
            raise PortTaken(
                f"port {self.port} of {self._addresses.apiserver}, which this cluster's API server"
                f" uses, is taken by another program. End that program, or let the cluster take"
                f" another port by removing {self.port_file}"
            )
