"""A cluster that somebody else runs: taken only when named, never touched by down and clean."""

import os
from pathlib import Path
from typing import Any, Final

import yaml

from devcluster.errors import ProviderRefused
from devcluster.files import write_private
from devcluster.ownership import refusal
from devcluster.providers import Status
from devcluster.shell import output_of

TIMEOUT_S: Final = 10


class ExistingCluster:
    """The current context of the user's KUBECONFIG, pinned.

    ``up`` copies that one context into ``directory``: choosing another context later
    does not redirect what works with this cluster.

    Args:
        directory: gets the kubeconfig.
        kubectl: the program.
        source: the user's KUBECONFIG, a list of files as kubectl knows it; without one
            there is no default, ``~/.kube/config`` neither, but the context that was pinned.
    """

    def __init__(self, directory: Path, kubectl: Path, source: str | None) -> None:
        self.kubeconfig = directory / "kubeconfig"
        self._kubectl = kubectl
        self._source = source

    def up(self) -> bool:
        """Pin the context and see that its API server answers."""
        fresh = not self.kubeconfig.exists()
        if self._source:
            view = ("config", "view", "--raw", "--minify", "--flatten")
            chosen = self._run(*view, kubeconfig=self._source)
            if not fresh and _server(chosen) != self._address():
                raise ProviderRefused(
                    f"this checkout works with {self._address()}, but KUBECONFIG now names"
                    f" {_server(chosen)}; run `clean` to use another cluster"
                )
            write_private(self.kubeconfig, chosen.encode())
        elif fresh:
            raise ProviderRefused(
                "an existing cluster is taken from the environment variable KUBECONFIG, which is"
                " not set"
            )
        try:
            self._ask()
        except ProviderRefused:
            if fresh:
                self.kubeconfig.unlink()
            raise
        return fresh

    def adopt(self, original: Path) -> None:
        """Refuse: two checkouts would install into one cluster."""
        raise refusal(self.kubeconfig.parent, original, f", which works with {self._address()}")

    def down(self) -> None:
        """Do nothing: it is not ours to stop."""

    def status(self) -> Status:
        """Return the state: running if the API server answers."""
        try:
            self._ask()
        except ProviderRefused as error:
            return Status(running=False, details=(str(error),))
        return Status(running=True, details=(self._address(),))

    def clean(self) -> None:
        """Do nothing: its data is not ours. The pinned kubeconfig goes with the directory."""

    def _ask(self) -> None:
        self._run(
            "get", "--raw=/readyz", f"--request-timeout={TIMEOUT_S}s", kubeconfig=self.kubeconfig
        )

    def _address(self) -> str:
        return _server(self.kubeconfig.read_text(encoding="utf-8"))

    def _run(self, *arguments: str, kubeconfig: str | Path) -> str:
        return output_of(
            [self._kubectl, *arguments],
            f"the cluster of KUBECONFIG={self._source or kubeconfig} can't be used",
            error=ProviderRefused,
            env=os.environ | {"KUBECONFIG": str(kubeconfig)},
        )


def _server(kubeconfig: str) -> str:
    document: Any = yaml.safe_load(kubeconfig)
    return str(document["clusters"][0]["cluster"]["server"])
