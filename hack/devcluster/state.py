"""The development cluster of one checkout: which kind it is, and one command at a time."""

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from devcluster.binaries import Programs
from devcluster.embedded import EmbeddedCluster
from devcluster.errors import ClusterError, ProviderRefused
from devcluster.existing import ExistingCluster
from devcluster.files import write_whole
from devcluster.kind import KindCluster
from devcluster.locks import locked
from devcluster.ownership import claim, copied_from, refusal, was_moved
from devcluster.progress import say
from devcluster.providers import Provider, Status


def _program(name: str) -> Path:
    """Return the user's own program, else ours: any version of these two will do."""
    own = shutil.which(name)
    return Path(own) if own else Programs.of_this_machine().ensure([name])[name]


def _kind(directory: Path) -> Provider:
    return KindCluster(directory, _program("kind"))


def _existing(directory: Path) -> Provider:
    return ExistingCluster(directory, _program("kubectl"), os.environ.get("KUBECONFIG"))


PROVIDERS: Final[Mapping[str, Callable[[Path], Provider]]] = {
    "embedded": EmbeddedCluster,
    "kind": _kind,
    "existing": _existing,
}
DEFAULT_PROVIDER: Final = "embedded"


class DevCluster:
    """The cluster that the commands work on; everything about it is in ``directory``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self._marker = self.directory / "provider"

    def provider(self) -> str | None:
        """Return which kind of cluster this checkout has; None for none."""
        try:
            name = self._marker.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        if name not in PROVIDERS:
            raise ClusterError(f"{self._marker} names no kind of cluster: {name!r}")
        return name

    def up(self, provider: str | None = None) -> bool:
        """Start the cluster; tell whether there was anything to start.

        Args:
            provider: which kind; if left out, the one that this checkout has, else the default.

        Raises:
            ProviderRefused: this checkout has one of another kind.
            ForeignState: its state is another checkout's.
            ClusterError: it can't be started.
        """
        with self._alone():
            current, original = self.provider(), copied_from(self.directory)
            if provider is not None and current not in {None, provider}:
                raise ProviderRefused(
                    f"{self.directory} has a cluster of the kind {current!r};"
                    f" `clean` it before making one of the kind {provider!r}"
                )
            self.directory.mkdir(parents=True, exist_ok=True)
            name = provider or current or DEFAULT_PROVIDER
            cluster = PROVIDERS[name](self.directory)
            if name == "existing" and provider is None:  # KUBECONFIG is not meant for us
                cluster = ExistingCluster(self.directory, _program("kubectl"), None)
            if original is not None and current is not None:
                cluster.adopt(original)
                say(f"The data was copied from {original}, which this cluster leaves alone.")
            elif was_moved(self.directory):
                cluster.down()  # its servers know their files by the paths from before
            try:
                write_whole(self._marker, name)
                claim(self.directory)
                return cluster.up()
            except BaseException:
                # A cluster that never came up must not bar the way to another kind.
                if current is None and not cluster.kubeconfig.exists():
                    shutil.rmtree(self.directory)
                raise

    def down(self) -> None:
        """Stop the cluster, if there is one, and keep its data."""
        with self._alone():
            cluster = self._cluster()
            if cluster is not None and not self._left_alone():
                cluster.down()

    def clean(self) -> None:
        """Stop the cluster, if there is one, and remove it with its data."""
        with self._alone():
            cluster = self._cluster()
            if cluster is None:  # a directory without our marker is not ours to remove
                return
            if not self._left_alone():
                cluster.clean()
            shutil.rmtree(self.directory)

    def status(self) -> Status:
        """Return the state of the cluster."""
        cluster = self._cluster()
        if cluster is None:
            return Status(running=False, details=(f"there is no cluster in {self.directory}",))
        original = copied_from(self.directory)
        if original is not None:
            return Status(running=False, details=(str(refusal(self.directory, original)),))
        return cluster.status()

    def kubeconfig(self) -> Path:
        """Return the cluster's kubeconfig.

        Raises:
            ClusterError: there is none, because no cluster has been up.
            ForeignState: it leads to the cluster of another checkout.
        """
        cluster = self._cluster()
        self.require_own()
        if cluster is None or not cluster.kubeconfig.exists():
            raise ClusterError(f"there is no cluster in {self.directory}; `up` makes one")
        return cluster.kubeconfig

    def require_own(self) -> None:
        """Refuse a state that leads to the cluster of another checkout.

        Raises:
            ForeignState: it was copied from there.
        """
        original = copied_from(self.directory)
        if original is not None:
            raise refusal(self.directory, original)

    def _left_alone(self) -> bool:
        original = copied_from(self.directory)
        if original is not None:
            say(f"{self.directory} was copied from {original}, whose cluster is left alone.")
        return original is not None

    def _cluster(self) -> Provider | None:
        name = self.provider()
        return None if name is None else PROVIDERS[name](self.directory)

    def _alone(self) -> AbstractContextManager[None]:
        # Beside the directory, since `clean` removes that.
        lock = self.directory.with_name(f"{self.directory.name}.lock")
        return locked(lock, f"it works on the cluster in {self.directory}")
