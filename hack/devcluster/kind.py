"""A cluster in containers, by kind (Kubernetes in Docker): with a node, so it runs pods."""

import hashlib
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from devcluster.errors import ProviderRefused
from devcluster.files import write_whole
from devcluster.ownership import refusal
from devcluster.progress import Progress
from devcluster.providers import Status
from devcluster.shell import output_of

ENGINE_WITHIN_S: Final = 10.0
"""An engine that takes longer to say its version is not one to start a cluster on."""
READY_WITHIN_S: Final = 180.0
POLL_S: Final = 0.5


class KindCluster:
    """A kind cluster that belongs to one state directory.

    Args:
        directory: gets the kubeconfig; the cluster's name is derived from it, so that
            checkouts don't share one, and kept in it, so that it may be moved.
        kind: the program.
    """

    def __init__(self, directory: Path, kind: Path) -> None:
        self.kubeconfig = directory / "kubeconfig"
        digest = hashlib.sha256(str(directory.absolute()).encode()).hexdigest()
        self._name_file = directory / "kind-name"
        self.cluster = f"wegent-{digest[:8]}"
        if self._name_file.exists():
            self.cluster = self._name_file.read_text(encoding="utf-8").strip()
        self._kind = kind

    def up(self) -> bool:
        """Create the cluster, or start the containers of a stopped one."""
        _require_engine()
        states = self._states()
        write_whole(self._name_file, f"{self.cluster}\n")
        if not states:
            wait = f"--wait={READY_WITHIN_S:.0f}s"
            with Progress(f"kind creates the cluster {self.cluster} (minutes, the first time)"):
                self._kind_does("create", "cluster", wait, f"--kubeconfig={self.kubeconfig}")
            return True
        stopped = [node for node, state in states.items() if state != "running"]
        if stopped:
            _docker("start", *stopped)
        self._kind_does("export", "kubeconfig", f"--kubeconfig={self.kubeconfig}")
        self._wait_ready()
        return bool(stopped)

    def load(self, archive: Path) -> None:
        """Give the nodes an image, from an OCI or Docker archive."""
        self._kind_does("load", "image-archive", str(archive))

    def kill(self, container: str) -> None:
        """End a container's program on the only node with SIGKILL, as a lack of memory would."""
        control = ("ctr", "--namespace=k8s.io", "tasks", "kill", "--signal=SIGKILL", container)
        [node] = self._states()
        _docker("exec", node, *control)

    def adopt(self, original: Path) -> None:
        """Refuse: the nodes are containers, which were not copied."""
        raise refusal(
            self.kubeconfig.parent, original, f", which made the kind cluster {self.cluster}"
        )

    def down(self) -> None:
        """Stop the nodes' containers, which keep their data."""
        _require_engine()
        running = [node for node, state in self._states().items() if state == "running"]
        if running:
            _docker("stop", *running)

    def status(self) -> Status:
        """Say how each node's container is."""
        _require_engine()
        states = self._states()
        details = tuple(f"{node}: {state}" for node, state in states.items())
        running = bool(states) and all(state == "running" for state in states.values())
        return Status(running, details or (f"there is no kind cluster {self.cluster}",))

    def clean(self) -> None:
        """Delete the cluster."""
        _require_engine()
        self._kind_does("delete", "cluster", f"--kubeconfig={self.kubeconfig}")

    def _wait_ready(self) -> None:
        """Wait for the API server of nodes that were started, which kind itself does not."""
        admin = "--kubeconfig=/etc/kubernetes/admin.conf"
        ask = ("exec", f"{self.cluster}-control-plane", "kubectl", admin, "get", "--raw=/readyz")
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            try:
                _docker(*ask)
            except ProviderRefused:
                if time.monotonic() > deadline:
                    raise
                time.sleep(POLL_S)
            else:
                return

    def _states(self) -> Mapping[str, str]:
        """Return the state of each node's container, by the container's name."""
        label = f"label=io.x-k8s.kind.cluster={self.cluster}"
        listing = _docker("ps", "--all", f"--filter={label}", "--format={{.Names}} {{.State}}")
        return dict(line.split(maxsplit=1) for line in listing.splitlines())

    def _kind_does(self, *arguments: str) -> None:
        command = [str(self._kind), *arguments, f"--name={self.cluster}"]
        output_of(command, f"kind {' '.join(arguments[:2])}", error=ProviderRefused)


def engine_answers() -> bool:
    """Return whether a Docker engine answers."""
    try:
        _require_engine()
    except ProviderRefused:
        return False
    return True


def has_buildkit() -> bool:
    """Tell whether Docker builds with BuildKit, without which builds get no secrets."""
    try:
        _docker("buildx", "version")
    except ProviderRefused:
        return False
    return True


def _require_engine() -> None:
    """Raise ``ProviderRefused`` unless a Docker engine answers."""
    _docker("version", "--format={{.Server.Version}}")


def _docker(*arguments: str) -> str:
    program = shutil.which("docker")
    if program is None:
        raise ProviderRefused("kind needs Docker, and there is no `docker` on PATH")
    within_s = ENGINE_WITHIN_S if arguments[0] in {"version", "buildx"} else None
    what = f"docker {arguments[0]}"
    return output_of([program, *arguments], what, error=ProviderRefused, within_s=within_s)
