"""Cluster, manifests, operator, API proxy and first admin: each brought up unless it is."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Final

from devcluster.binaries import Programs
from devcluster.install import Installer
from devcluster.progress import say
from devcluster.state import DevCluster
from devstack.admin import Login, ensure_admin, read_login
from devstack.programs import CHECKOUT, Program, release_everything

MANIFESTS: Final = (CHECKOUT / "crds", CHECKOUT / "config")


class Stack:
    """All of it, with everything that it writes in ``directory``."""

    def __init__(self, directory: Path) -> None:
        self.cluster = DevCluster(directory / "cluster")
        self._directory = directory / "stack"
        self._login = self._directory / "admin-login"
        self.operator = Program(
            "wegent-operator",
            "wegent_operator",
            int(os.environ.get("WEGENT_OPERATOR_LISTEN_PORT", "8081")),
            "WEGENT_OPERATOR_LISTEN_",
            self._directory,
        )
        self.api = Program(
            "wegent-api",
            "wegent_api",
            int(os.environ.get("WEGENT_API_PORT", "8000")),
            "WEGENT_API_",
            self._directory,
        )

    def up(self, provider: str) -> Login | None:
        """Bring up what isn't, and return the first admin's login where it is known.

        Raises:
            ClusterError: something did not come up; what runs is left for ``make down``.
        """
        fresh = self.cluster.up(provider)
        kubeconfig = self.cluster.kubeconfig()
        say(f"The cluster {'is up' if fresh else 'was up already'}.")
        kubectl = self._kubectl()
        say("Installing CRDs, roles and policies ...")
        Installer(kubectl, kubeconfig).install(MANIFESTS)
        for program in (self.operator, self.api):
            started = program.start(kubectl, kubeconfig)
            say(f"{program.name} {'runs' if started else 'ran already'}.")
        return asyncio.run(ensure_admin(kubeconfig, self._login))

    def down(self) -> None:
        """Stop everything and keep the data."""
        self.api.stop()
        self.operator.stop()
        self.cluster.down()

    def uninstall(self) -> None:
        """Stop the programs and take Wegent out of the cluster; users' objects and CRDs stay.

        In this order: what stamps and guards the finalizer first, then the finalizers, so
        that nothing is left that can't be deleted.

        Raises:
            ClusterError: the cluster did not take a step; running it again goes on from there.
        """
        kubeconfig = self.cluster.kubeconfig()
        self.api.stop()
        self.operator.stop()
        installer = Installer(self._kubectl(), kubeconfig)
        installer.uninstall([CHECKOUT / "config" / "policies"])
        say("Releasing what the trash holds ...")
        release_everything(kubeconfig)
        installer.uninstall([CHECKOUT / "config" / "rbac"])

    def clean(self) -> None:
        """Stop everything and remove the data."""
        self.down()
        self.cluster.clean()
        shutil.rmtree(self._directory, ignore_errors=True)

    @staticmethod
    def _kubectl() -> Path:
        return Programs.of_this_machine().ensure(["kubectl"])["kubectl"]

    def status(self) -> tuple[bool, list[str]]:
        """Return whether all of it runs, and a line for each part."""
        cluster = self.cluster.status()
        lines = [f"cluster: {'up' if cluster.running else 'down'}"]
        lines += [f"  {detail}" for detail in cluster.details]
        running = {program.name: program.daemon.running() for program in (self.operator, self.api)}
        lines += [f"{name}: {'up' if runs else 'down'}" for name, runs in running.items()]
        return cluster.running and all(running.values()), lines

    def login(self) -> Login:
        """Return the first admin's login, kept by ``up``."""
        return read_login(self._login)
