"""The Helm release that the tests work on, as a user installs it."""

import base64
from dataclasses import dataclass

from devcluster.checkout import CHECKOUT
from tests.e2e.clusters import PodCluster
from tests.e2e.pods import Pods
from tests.e2e.rest import Rest
from tests.support.commands import Result
from tests.support.helm import Helm
from tests.support.kubectl import Kubectl

CHART = CHECKOUT / "charts" / "wegent"
WITHIN = "--timeout=170s"
LOADED = "--set=image.repository=localhost/wegent,runner.store.persistence.enabled=false"
"""The names that `make image` gives: they have no registry, as the images are on the nodes. The
runner's database is in its Pod: a node of its own has no storage classes."""
OPEN = "--set=accounts.registration=open"
"""Tests register users; the chart's default is closed."""


@dataclass(frozen=True, slots=True)
class Release:
    """Wegent, installed by Helm; the names are the chart's defaults."""

    cluster: PodCluster
    helm: Helm
    name: str = "wegent"
    namespace: str = "wegent-system"

    @property
    def kubectl(self) -> Kubectl:
        """kubectl as cluster administrator."""
        return self.cluster.kubectl

    @property
    def api(self) -> Pods:
        """The proxies."""
        return Pods(self.kubectl, self.namespace, "api")

    @property
    def operator(self) -> Pods:
        """The operators."""
        return Pods(self.kubectl, self.namespace, "operator")

    @property
    def runner(self) -> Pods:
        """The runners."""
        return Pods(self.kubectl, self.namespace, "runner")

    @property
    def installed(self) -> bool:
        """True while the release is installed."""
        return self.name in self._run("list", "--short").stdout.split()

    def ensure(self) -> None:
        """Install the release unless it exists, and return when all of it is ready."""
        if not self.installed:
            self._ensure_namespace()
            self._run("install", self.name, str(CHART), "--wait", WITHIN, LOADED, OPEN)

    def upgrade(self, *values: str) -> Result:
        """Change values, each ``key=value``, and return when all of it is ready again."""
        spelled = [f"--set={value}" for value in values]
        return self._run("upgrade", self.name, str(CHART), "--wait", WITHIN, LOADED, OPEN, *spelled)

    def reset(self) -> None:
        """Go back to the chart's own values."""
        self._run(
            "upgrade", self.name, str(CHART), "--wait", WITHIN, "--reset-values", LOADED, OPEN
        )

    def test(self) -> Result:
        """Run ``helm test``."""
        return self._run("test", self.name, "--logs", WITHIN)

    def uninstall(self) -> Result:
        """Uninstall the release."""
        return self._run("uninstall", self.name, "--wait", WITHIN)

    def rest(self) -> Rest:
        """Return the REST API, behind its Service, without a user."""
        return Rest(self.cluster.reach(self.namespace, f"{self.name}-api"))

    def admin(self) -> Rest:
        """Return the REST API as the first admin."""
        secret = ("get", "secret", "-n", self.namespace, f"{self.name}-first-admin", "-o", "json")
        data = self.kubectl.run(*secret).ok().json["data"]
        return self.rest().log_in("admin", base64.b64decode(data["password"]).decode())

    def leader(self) -> str:
        """Return the operator's Pod that holds the Lease; AssertionError while none does."""
        lease = ("get", "lease", "-n", self.namespace, "-o", "json")
        holders = [
            it["spec"].get("holderIdentity") or ""
            for it in self.kubectl.run(*lease).ok().json["items"]
            if it["metadata"]["name"].endswith("operator")
        ]
        leading = [pod for pod in self.operator.ready() if any(pod in it for it in holders)]
        assert len(leading) == 1, f"{holders} among {self.operator.states()}"
        return leading[0]

    def _ensure_namespace(self) -> None:
        """Make the namespace, which admits only restricted Pods."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        metadata = {"name": self.namespace, "labels": labels}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        self.kubectl.run("apply", "-f", "-", stdin=namespace).ok()

    def _run(self, verb: str, *arguments: str) -> Result:
        return self.helm.run(verb, *arguments, "--namespace", self.namespace).ok()
