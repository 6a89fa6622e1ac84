"""The operations of each kind of cluster."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a cluster."""

    running: bool
    details: tuple[str, ...]
    """Lines for a person."""


class Provider(Protocol):
    """One cluster, as this package's commands see it. Each method raises ``ClusterError``."""

    @property
    def kubeconfig(self) -> Path:
        """The file with the rights to install; there once the cluster has been up."""

    def up(self) -> bool:
        """Start it and wait until it serves; return whether it had to be started."""

    def adopt(self, original: Path) -> None:
        """Make its state, which was copied from ``original``, its own.

        Raises:
            ForeignState: it can't be used without the original's cluster.
        """

    def down(self) -> None:
        """Stop it and keep its data; fine if it does not run."""

    def status(self) -> Status:
        """Return the state of the cluster."""

    def clean(self) -> None:
        """Stop it and remove its data, as far as that is not in its state directory."""
