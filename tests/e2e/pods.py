"""The release's Pods: their names, commands in them, and ways to kill them."""

import asyncio
from dataclasses import dataclass
from typing import Any

from tests.support.api import is_ready
from tests.support.kubectl import Kubectl
from tests.support.waiting import eventually


@dataclass(frozen=True, slots=True)
class Pods:
    """The Pods of one component: ``api``, ``operator`` or ``runner``."""

    kubectl: Kubectl
    namespace: str
    component: str

    def all(self) -> list[dict[str, Any]]:
        """Return the Pods' objects."""
        label = f"app.kubernetes.io/component={self.component}"
        asked = ("get", "pods", "-n", self.namespace, "-l", label, "-o", "json")
        items: list[dict[str, Any]] = self.kubectl.run(*asked).ok().json["items"]
        return items

    def ready(self) -> list[str]:
        """Return the names of ready Pods that aren't terminating."""
        return [
            pod["metadata"]["name"]
            for pod in self.all()
            if "deletionTimestamp" not in pod["metadata"] and is_ready(pod)
        ]

    def run(self, pod: str, *command: str) -> str:
        """Run a command in a Pod and return what it printed."""
        return self.kubectl.run("exec", "-n", self.namespace, pod, "--", *command).ok().stdout

    def logs(self, pod: str) -> str:
        """Return a Pod's log."""
        return self.kubectl.run("logs", "-n", self.namespace, pod, "--tail=-1").ok().stdout

    def container(self, pod: str) -> str:
        """Return the id of a Pod's container, without its runtime's name."""
        asked = ("get", "pod", "-n", self.namespace, pod, "-o", "json")
        [status] = self.kubectl.run(*asked).ok().json["status"]["containerStatuses"]
        identity: str = status["containerID"]
        return identity.rpartition("//")[2]

    def restart(self) -> None:
        """Replace all Pods, as an upgrade does."""
        deployment = self.deployment()
        self.kubectl.run("rollout", "restart", "-n", self.namespace, deployment).ok()

    def deployment(self) -> str:
        """Return the Deployment's name, as ``deployment/NAME``."""
        label = f"app.kubernetes.io/component={self.component}"
        asked = ("get", "deployments", "-n", self.namespace, "-l", label, "-o", "name")
        [name] = self.kubectl.run(*asked).ok().stdout.split()
        return name

    async def rolled_out(self, within_s: float) -> None:
        """Wait until the newest Pods, and only those, run."""
        wait = ("rollout", "status", "-n", self.namespace, self.deployment())
        await asyncio.to_thread(lambda: self.kubectl.run(*wait, f"--timeout={within_s:g}s").ok())

    async def are_ready(self, count: int, within_s: float) -> list[str]:
        """Wait until ``count`` Pods are ready; return their names."""

        def probe() -> list[str]:
            names = self.ready()
            assert len(names) == count, self.states()
            return names

        return await eventually(probe, within_s=within_s, what=f"{count} {self.component} Pods")

    def states(self) -> list[str]:
        """Return the state of each Pod, for a failed test."""
        return [
            f"{pod['metadata']['name']}: {pod['status'].get('phase')}"
            f" {pod['status'].get('containerStatuses', [{}])[0].get('state')}"
            for pod in self.all()
        ]
