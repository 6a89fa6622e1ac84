"""Wegent's programs as background processes with their own ServiceAccounts."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from devcluster.checkout import CHECKOUT
from devcluster.errors import ClusterError
from devcluster.files import write_private
from devcluster.health import fault_of
from devcluster.ports import is_free
from devcluster.processes import Daemon, wait_ready
from devcluster.shell import output_of
from devstack.settings import SYSTEM_NAMESPACE, is_setting

READY_WITHIN_S: Final = 60.0
STOP_WITHIN_S: Final = 15.0
PACKAGES: Final = ("operator", "crds", "kube", "api_proxy", "runner")
TOKEN_LIFETIME: Final = "8760h"  # noqa: S105 - a duration
"""A year. Each `make up` of a stopped program gets a new token, and clusters live less long."""


class Program:
    """One of the project's programs.

    Args:
        name: the name of its ServiceAccount and of its log.
        module: the module for ``python -m``.
        address: host and port at which it answers /readyz.
        port_variable: the environment variable for that port.
        directory: the place of its kubeconfig, log and process record, and its working directory.
        settings: variables of its environment.
        drain_s: seconds that it takes to finish its work before it stops.
    """

    def __init__(
        self,
        name: str,
        module: str,
        address: tuple[str, int],
        port_variable: str,
        directory: Path,
        *,
        settings: Mapping[str, str] | None = None,
        drain_s: float = 0,
    ) -> None:
        self._stop_within_s = STOP_WITHIN_S + drain_s
        self._settings = dict(settings or {})
        self.name = name
        self._address = address
        self._port_variable = port_variable
        self.daemon = Daemon(name, directory)
        self._module = module
        self._directory = directory
        self._kubeconfig = directory / f"{name}.kubeconfig"
        self._source = directory / "run" / f"{name}.source"

    @property
    def url(self) -> str:
        """The URL at which it listens if it runs, otherwise the configured one."""
        running = self._running_as() if self.daemon.running() else None
        return running["url"] if running else self._wanted_url()

    def _wanted_url(self) -> str:
        host, port = self._address
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def port_taken(self) -> str | None:
        """Return a message if another program uses its port."""
        if self.daemon.running():
            running = self._running_as()
            # A process without a readable record is from an earlier version or an interrupted
            # start. It is stopped before a new one takes the port.
            if running is None or running["url"] == self._wanted_url():
                return None
        host, port = self._address
        if is_free(port, host):
            return None
        return (
            f"port {port} of {host}, which {self.name} needs, is taken by another program; end"
            f" that, or choose another port: {self._port_variable}=... make up"
        )

    def start(self, kubectl: Path, admin_kubeconfig: Path) -> bool:
        """Start the program and wait until it is ready; return False if it ran already.

        It runs under its ServiceAccount. A process with an older state of the checkout, or with
        other settings, is stopped first.

        Raises:
            ClusterError: its port is in use, or it did not get ready.
        """
        wanted = {
            "source": fingerprint(),
            "settings": self._settings,
            "url": self._wanted_url(),
        }
        if self.daemon.running():
            if self._running_as() == wanted:
                wait_ready(self.daemon, self._missing, within_s=READY_WITHIN_S)
                return False
            self.stop()
        taken = self.port_taken()
        if taken:
            raise ClusterError(taken)
        self._source.unlink(missing_ok=True)
        self._write_kubeconfig(kubectl, admin_kubeconfig)
        environment = {name: it for name, it in os.environ.items() if not is_setting(name)}
        environment |= {"KUBECONFIG": str(self._kubeconfig), **self._settings}
        command = [sys.executable, "-m", self._module]
        self.daemon.start(command, environment, cwd=self._directory)
        try:
            wait_ready(self.daemon, self._missing, within_s=READY_WITHIN_S)
        except BaseException:
            self.stop()
            raise
        self._source.write_text(json.dumps(wanted), encoding="utf-8")
        return True

    def stop(self) -> None:
        """Stop it, if it runs."""
        self.daemon.stop(self._stop_within_s)

    def _running_as(self) -> dict[str, Any] | None:
        try:
            found: object = json.loads(self._source.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) and "url" in found else None

    def _missing(self) -> str | None:
        return fault_of(f"{self._wanted_url()}/readyz")

    def _write_kubeconfig(self, kubectl: Path, admin_kubeconfig: Path) -> None:
        """Write a copy of the admin's kubeconfig with a token in place of the credentials."""
        command = [str(kubectl), f"--kubeconfig={admin_kubeconfig}"]
        identity = ["create", "token", self.name, f"--namespace={SYSTEM_NAMESPACE}"]
        token = output_of([*command, *identity, f"--duration={TOKEN_LIFETIME}"], "kubectl").strip()
        view = [*command, "config", "view", "--raw", "--minify", "--flatten"]
        document: dict[str, Any] = yaml.safe_load(output_of(view, "kubectl config"))
        document["users"][0]["user"] = {"token": token}
        write_private(self._kubeconfig, yaml.safe_dump(document).encode())


def remove_finalizers(kubeconfig: Path) -> None:
    """Remove the trash's finalizer from all objects, with the rights of ``kubeconfig``.

    Raises:
        ClusterError: some objects still have it.
    """
    command = [sys.executable, "-m", "wegent_operator", "--remove-finalizers"]
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    done = subprocess.run(command, env=environment, check=False)
    if done.returncode:
        raise ClusterError("some objects still have the finalizer; run it again")


def fingerprint() -> str:
    """Return a digest of the source files' names, times and sizes."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        for file in sorted((CHECKOUT / package).rglob("*.py")):
            found = file.stat()
            digest.update(f"{file}:{found.st_mtime_ns}:{found.st_size}\n".encode())
    return digest.hexdigest()
