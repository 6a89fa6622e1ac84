"""Applying manifests to a cluster, and waiting until they are in force.

``kubectl apply`` and ``Established`` come too early: for about two seconds after a CRD
appears, creating its objects answers 503, because admission doesn't know the type yet,
and a policy is enforced only once the API server's own watch has brought it round.
"""

import json
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from devcluster.errors import ClusterError

Manifest = Mapping[str, Any]

IN_FORCE_WITHIN_S: Final = 60.0
POLL_S: Final = 0.2
APPLY: Final = ("apply", "--server-side", "--force-conflicts", "--field-manager=wegent-install")
CRD: Final = "CustomResourceDefinition"
SENTINEL: Final = Path(__file__).parent / "sentinel.yaml"
PROBE: Final = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "wegent-install-sentinel", "namespace": "default"},
}
"""The ConfigMap that is refused once the sentinel is enforced."""
ENFORCED: Final = "wegent-install-sentinel is enforced"
NOT_YET: Final = (
    "no matches for kind",
    "(NotFound)",
    "(ServiceUnavailable)",
    "(InternalError)",
    "(Timeout)",
    "(TooManyRequests)",
)
"""Answers to a create that speak of the server; any other speaks of the object."""


class Installer:
    """Applies manifests with kubectl, so that any cluster and any kubeconfig will do."""

    def __init__(self, kubectl: Path, kubeconfig: Path) -> None:
        self._command = (str(kubectl), f"--kubeconfig={kubeconfig}")

    def install(self, directories: Iterable[Path]) -> None:
        """Apply every ``*.yaml`` below ``directories`` and wait until all of it is in force.

        Raises:
            ClusterError: the server refused a manifest, or the deadline passed.
        """
        manifests = list(_load(directories))
        early = [it for it in manifests if it["kind"] in ("Namespace", CRD)]
        crds = [it for it in early if it["kind"] == CRD]
        self._run(*APPLY, objects=early)
        if crds:
            names = (f"crd/{crd['metadata']['name']}" for crd in crds)
            timeout = f"--timeout={IN_FORCE_WITHIN_S:.0f}s"
            self._run("wait", "--for=condition=Established", timeout, *names)
        self._run(*APPLY, objects=[it for it in manifests if it not in early])
        self._wait_until_in_force(crds)

    def apply(self, objects: Sequence[Manifest]) -> None:
        """Apply objects of kinds that are in force.

        Raises:
            ClusterError: the server refused one.
        """
        self._run(*APPLY, objects=objects)

    def uninstall(self, directories: Iterable[Path]) -> None:
        """Delete what every ``*.yaml`` below ``directories`` describes; fine if it is gone.

        Raises:
            ClusterError: the server refused.
        """
        self._run("delete", "--ignore-not-found", objects=list(_load(directories)))

    def _wait_until_in_force(self, crds: Sequence[Manifest]) -> None:
        """Wait until creating an object of each kind fails for the object's own faults only.

        The policies are enforced by then: a policy that is written after them is.
        """
        probes = [*map(_empty_object, crds), PROBE]
        deadline = time.monotonic() + IN_FORCE_WITHIN_S
        self._run(*APPLY, f"--filename={SENTINEL}")
        try:
            while True:
                create = ("create", "--dry-run=server", "--validate=false")
                said = self._call(*create, objects=probes).stderr
                if ENFORCED in said and not any(sign in said for sign in NOT_YET):
                    return
                if time.monotonic() > deadline:
                    raise ClusterError(
                        f"kinds and policies are not in force after {IN_FORCE_WITHIN_S:.0f} s;"
                        f" last answer: {said.strip()}"
                    )
                time.sleep(POLL_S)
        finally:
            self._run("delete", "--ignore-not-found", f"--filename={SENTINEL}")

    def _run(self, *arguments: str, objects: Sequence[Manifest] | None = None) -> None:
        if objects is not None and not objects:
            return
        done = self._call(*arguments, objects=objects)
        if done.returncode:
            raise ClusterError(f"kubectl {arguments[0]}: {done.stderr.strip()}")

    def _call(
        self, *arguments: str, objects: Sequence[Manifest] | None
    ) -> subprocess.CompletedProcess[str]:
        items = {"apiVersion": "v1", "kind": "List", "items": objects}
        return subprocess.run(
            [*self._command, *arguments, *(["--filename=-"] if objects else [])],
            input=json.dumps(items),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )


def _load(directories: Iterable[Path]) -> Iterator[Manifest]:
    for directory in directories:
        for file in sorted(directory.rglob("*.yaml")):
            with file.open(encoding="utf-8") as stream:
                yield from filter(None, yaml.safe_load_all(stream))


def _empty_object(crd: Manifest) -> Manifest:
    spec = crd["spec"]
    version = next(version["name"] for version in spec["versions"] if version["served"])
    metadata = {"name": "wegent-install-probe"}
    if spec["scope"] == "Namespaced":
        metadata["namespace"] = "default"
    return {
        "apiVersion": f"{spec['group']}/{version}",
        "kind": spec["names"]["kind"],
        "metadata": metadata,
    }
