"""The operator and the API proxy as background processes with their own ServiceAccounts."""

import hashlib
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

import yaml

from devcluster.errors import ClusterError
from devcluster.pki import write_private
from devcluster.ports import LOOPBACK, is_free
from devcluster.processes import Daemon, wait_ready

READY_WITHIN_S: Final = 60.0
STOP_WITHIN_S: Final = 15.0
CHECKOUT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("operator", "crds", "api_proxy")
SYSTEM_NAMESPACE: Final = "wegent-system"
TOKEN_LIFETIME: Final = "8760h"  # noqa: S105 - a duration
"""A year: each `make up` of a stopped program gets another, and no cluster here lives as long."""


class Program:
    """One of the project's programs.

    Args:
        name: of its ServiceAccount, and of its log.
        module: what ``python -m`` runs.
        port: where it answers /readyz.
        prefix: of its settings in the environment, for the address it listens on.
        directory: for its kubeconfig, log and process record.
    """

    def __init__(self, name: str, module: str, port: int, prefix: str, directory: Path) -> None:
        self.name = name
        self.port = port
        self.daemon = Daemon(name, run_dir=directory / "run", log_dir=directory / "logs")
        self._module = module
        self._prefix = prefix
        self._kubeconfig = directory / f"{name}.kubeconfig"
        self._source = directory / "run" / f"{name}.source"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{LOOPBACK}:{self.port}"

    def start(self, kubectl: Path, admin_kubeconfig: Path) -> bool:
        """Start it under its ServiceAccount and wait until it is ready; tell if it had to be.

        One that runs an older state of the checkout is stopped first.

        Raises:
            ClusterError: its port is taken, or it did not get ready.
        """
        source = fingerprint()
        if self.daemon.running():
            if self._source.exists() and self._source.read_text(encoding="utf-8") == source:
                wait_ready(self.daemon, self._missing, within_s=READY_WITHIN_S)
                return False
            self.stop()  # it runs what the checkout was, not what it is
        if not is_free(self.port):
            raise ClusterError(
                f"port {self.port} of {LOOPBACK}, which {self.name} needs, is taken by another"
                f" program; end that, or choose another: {self._prefix}PORT=... make up"
            )
        self._write_kubeconfig(kubectl, admin_kubeconfig)
        kubeconfig = f"KUBECONFIG={self._kubeconfig}"
        self.daemon.start(["env", kubeconfig, sys.executable, "-m", self._module])
        try:
            wait_ready(self.daemon, self._missing, within_s=READY_WITHIN_S)
        except BaseException:
            self.stop()
            raise
        self._source.write_text(source, encoding="utf-8")
        return True

    def stop(self) -> None:
        """Stop it; fine if it does not run."""
        self.daemon.stop(STOP_WITHIN_S)

    def _missing(self) -> str | None:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5):  # noqa: S310
                return None
        except urllib.error.HTTPError as error:
            with error:
                return f"/readyz answers {error.code}"
        except OSError as error:
            return str(error)

    def _write_kubeconfig(self, kubectl: Path, admin_kubeconfig: Path) -> None:
        """Write the admin's kubeconfig with the admin's credentials replaced by a token."""
        command = [str(kubectl), f"--kubeconfig={admin_kubeconfig}"]
        identity = ["create", "token", self.name, f"--namespace={SYSTEM_NAMESPACE}"]
        token = _output([*command, *identity, f"--duration={TOKEN_LIFETIME}"]).strip()
        view = [*command, "config", "view", "--raw", "--minify", "--flatten"]
        document: dict[str, Any] = yaml.safe_load(_output(view))
        document["users"][0]["user"] = {"token": token}
        write_private(self._kubeconfig, yaml.safe_dump(document).encode())


def release_everything(kubeconfig: Path) -> None:
    """Take the trash's finalizer off all objects, with the rights of ``kubeconfig``.

    Raises:
        ClusterError: not all could be released.
    """
    command = [sys.executable, "-m", "wegent_operator", "--release-everything"]
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    done = subprocess.run(command, env=environment, check=False)
    if done.returncode:
        raise ClusterError("not every object could be released; run it again")


def fingerprint() -> str:
    """Return what changes when the programs' source does: a digest of names, times and sizes."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        for file in sorted((CHECKOUT / package).rglob("*.py")):
            found = file.stat()
            digest.update(f"{file}:{found.st_mtime_ns}:{found.st_size}\n".encode())
    return digest.hexdigest()


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise ClusterError(f"{command[2]} {command[3]}: {done.stderr.strip()}")
    return done.stdout
