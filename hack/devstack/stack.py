"""All parts of Wegent on this machine: each is started unless it is up."""

import asyncio
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from devcluster.binaries import Programs
from devcluster.checkout import CHECKOUT
from devcluster.errors import ClusterError
from devcluster.install import Installer
from devcluster.locks import locked
from devcluster.ownership import copied_from
from devcluster.progress import say
from devcluster.state import DevCluster
from devstack.admin import Login, ensure_admin, read_login
from devstack.demo_model import OFF, DemoModel
from devstack.programs import Program, remove_finalizers
from devstack.settings import API, DEMO_MODEL, LISTENING, OPERATOR, RUNNER, StackSettings

MANIFESTS: Final = (CHECKOUT / "crds", CHECKOUT / "config")


class Stack:
    """The whole stack, with all of its files in ``directory``.

    Args:
        directory: the place of its state.
        environment: the source of the settings that ``up`` takes and remembers.
    """

    def __init__(self, directory: Path, environment: Mapping[str, str] | None = None) -> None:
        self.cluster = DevCluster(directory / "cluster")
        self._directory = directory.absolute() / "stack"
        self._login = self._directory / "admin-login"
        self._remembered = self._directory / "settings.json"
        self._environment = environment or {}
        self.settings = StackSettings.read(self._remembered)

    @property
    def operator(self) -> Program:
        """The operator, with the remembered settings."""
        return self._program("wegent-operator", "wegent_operator", OPERATOR)

    @property
    def api(self) -> Program:
        """The API proxy, with the remembered settings."""
        return self._program("wegent-api", "wegent_api", API)

    @property
    def runner(self) -> Program:
        """The runner, with the remembered settings.

        By default its database is in its working directory, which is that of the stack.
        """
        return self._program("wegent-runner", "wegent_runner", RUNNER, self.settings.drain_s)

    @property
    def demo_model(self) -> DemoModel:
        """The demo model, with the remembered settings."""
        return DemoModel(self._address(DEMO_MODEL)[0], self._directory)

    @property
    def _programs(self) -> tuple[Program, ...]:
        return self.operator, self.runner, self.api

    def up(self, provider: str | None = None) -> Login | None:
        """Start the parts that aren't up, and return the first admin's login if it is known.

        Args:
            provider: the kind of cluster; by default, as before.

        Raises:
            ClusterError: a setting can't be used, and nothing was changed; or a part did not start,
                and the running parts are left for ``make down``.
        """
        with self._alone():
            former, self.settings = self.settings, self.settings.merged(self._environment)
            taken = [line for it in self._programs if (line := it.port_taken())]
            if self.settings.demo_model and (line := self.demo_model.port_taken()):
                taken.append(line)
            if taken:
                self.settings = former
                raise ClusterError("\n  ".join(taken))
            # The settings are saved first, so that an interrupted run continues with them.
            self.settings.write(self._remembered)
            for line in self.settings.lines():
                say(line)
            fresh = self.cluster.up(provider)
            kubeconfig = self.cluster.kubeconfig()
            say(f"The cluster {'is up' if fresh else 'was up already'}.")
            kubectl = self._kubectl()
            say("Installing CRDs, roles and policies ...")
            installer = Installer(kubectl, kubeconfig)
            installer.install(MANIFESTS)
            for program in self._programs:
                started = program.start(kubectl, kubeconfig)
                say(f"{program.name} {'runs' if started else 'ran already'}.")
            self._start_demo_model(installer)
            return asyncio.run(ensure_admin(kubeconfig, self._login))

    def _start_demo_model(self, installer: Installer) -> None:
        """Start the demo model and create its Team, or say why there is none."""
        model = self.demo_model
        if not self.settings.demo_model:
            model.stop()
            return
        try:
            started = model.start()
        except ClusterError as error:
            say(f"The demo model is left out: {error}\n  Without this message: {OFF}")
            return
        say(f"demo-model {'runs' if started else 'ran already'}.")
        installer.apply(model.manifests())

    def down(self) -> None:
        """Stop everything and keep the data."""
        with self._alone():
            self._stop_programs()
            self.cluster.down()

    def uninstall(self) -> bool:
        """Stop the programs and remove Wegent from the cluster; users' objects and CRDs stay.

        The policies that stamp and guard the finalizer are removed before the finalizers, so that
        no object is left that can't be deleted.

        Returns:
            True if there was a cluster.

        Raises:
            ClusterError: the cluster refused a step; the next run continues there.
        """
        with self._alone():
            if self.cluster.provider() is None:
                self._stop_programs()
                return False
            kubeconfig = self.cluster.kubeconfig()
            self._stop_programs()
            if not self.cluster.status().running:
                raise ClusterError(
                    "the cluster does not run, and so Wegent can't be taken out of it: start it"
                    " with `make up`, or delete it with all its data by `make clean`"
                )
            installer = Installer(self._kubectl(), kubeconfig)
            installer.uninstall([CHECKOUT / "config" / "policies"])
            say("Removing the trash's finalizers ...")
            remove_finalizers(kubeconfig)
            installer.uninstall([CHECKOUT / "config" / "rbac"])
            return True

    def clean(self) -> None:
        """Stop everything and remove the data."""
        with self._alone():
            self._stop_programs()
            self.cluster.down()
            self.cluster.clean()
            shutil.rmtree(self._directory, ignore_errors=True)

    @staticmethod
    def _kubectl() -> Path:
        return Programs.of_this_machine().ensure(["kubectl"])["kubectl"]

    def status(self) -> tuple[bool, list[str]]:
        """Return True if all parts run, and a line for each part."""
        cluster = self.cluster.status()
        lines = [f"cluster: {'up' if cluster.running else 'down'}"]
        lines += [f"  {detail}" for detail in cluster.details]
        running = cluster.running
        original = copied_from(self.cluster.directory)
        for program in self._programs:
            runs = original is None and program.daemon.running()
            running = running and runs
            lines.append(f"{program.name}: {f'up, {program.url}' if runs else 'down'}")
        model = self.demo_model
        if model.daemon.running():
            lines.append(f"demo-model: up, {model.url}")
        elif self.settings.demo_model:
            # Wegent is complete without it, so it doesn't count.
            lines.append("demo-model: not running")
        if self.settings.values:
            lines += ["settings:", *(f"  {line}" for line in self.settings.lines())]
        return running, lines

    def login(self) -> Login:
        """Return the first admin's login that ``up`` has kept."""
        self.cluster.require_own()  # a copy's login is for the original
        return read_login(self._login)

    def _program(self, name: str, module: str, prefix: str, drain_s: float = 0) -> Program:
        address, port = self._address(prefix)
        return Program(
            name,
            module,
            address,
            port,
            self._directory,
            settings=self.settings.of(prefix),
            drain_s=drain_s,
        )

    def _address(self, prefix: str) -> tuple[tuple[str, int], str]:
        """Return a program's host and port, and the setting for the port."""
        host, port = next(it[:2] for it in LISTENING if it[0].startswith(prefix))
        return self.settings.address(host, port), port

    def _stop_programs(self) -> None:
        """Stop the programs, unless they are the original's of a copy, whose files may be links."""
        if copied_from(self.cluster.directory) is not None:
            return
        for program in reversed(self._programs):
            program.stop()
        self.demo_model.stop()

    def _alone(self) -> AbstractContextManager[None]:
        copied_from(self.cluster.directory)  # raises for a link to another checkout's state
        # The file is beside the directory, since `clean` removes the directory.
        lock = self._directory.with_name(f"{self._directory.name}.lock")
        return locked(lock, f"it works on {self._directory.parent}")
