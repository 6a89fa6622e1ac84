"""Applying manifests to a cluster, and waiting until they are in force.

``kubectl apply`` and ``Established`` come too early: for about two seconds after a CRD
appears, creating its objects answers 503, because admission doesn't know the type yet,
and a policy is enforced only once the API server's own watch has brought it round.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from devcluster import sentinel
from devcluster.errors import ClusterError

Manifest = Mapping[str, Any]

IN_FORCE_WITHIN_S: Final = 60.0
POLL_S: Final = 0.2
FIELD_MANAGER: Final = "wegent-install"
FIRST: Final = ("Namespace", "CustomResourceDefinition")
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
        if not manifests:
            return
        early = [manifest for manifest in manifests if manifest["kind"] in FIRST]
        late = [manifest for manifest in manifests if manifest["kind"] not in FIRST]
        self._apply(early)
        crds = [manifest for manifest in early if manifest["kind"] == "CustomResourceDefinition"]
        self._wait_established(crds)
        self._apply(late)
        kinds = {manifest["kind"] for manifest in late}
        if kinds & {sentinel.MUTATING, sentinel.VALIDATING}:
            self._wait_for_policies(mutating=sentinel.MUTATING in kinds)
        self._wait_creatable(crds)

    def uninstall(self, directories: Iterable[Path]) -> None:
        """Delete what every ``*.yaml`` below ``directories`` describes; fine if it is gone.

        Raises:
            ClusterError: the server refused.
        """
        manifests = list(_load(directories))
        self._run("delete", "--ignore-not-found", "-f", "-", objects=manifests)

    def _wait_established(self, crds: Sequence[Manifest]) -> None:
        if crds:
            names = (f"crd/{crd['metadata']['name']}" for crd in crds)
            timeout = f"--timeout={IN_FORCE_WITHIN_S:.0f}s"
            self._run("wait", "--for=condition=Established", timeout, *names)

    def _wait_creatable(self, crds: Sequence[Manifest]) -> None:
        """Wait until creating an object of each kind fails for the object's own faults only."""
        if crds:
            self._until(
                lambda error: not any(sign in error for sign in NOT_YET),
                [_empty_object(crd) for crd in crds],
                "objects of the new kinds can be created",
            )

    def _wait_for_policies(self, *, mutating: bool) -> None:
        """Wait until policies written after all others are enforced: the others are then too."""
        last = sentinel.policies(mutating=mutating)
        self._apply(last)
        try:
            self._until(
                lambda error: sentinel.REFUSAL in error,
                [sentinel.probe(mutating=mutating)],
                "policies are enforced",
            )
        finally:
            self._run("delete", "--ignore-not-found", "-f", "-", objects=last)

    def _until(self, done: Callable[[str], bool], objects: Sequence[Manifest], what: str) -> None:
        """Try to create ``objects``, for no real, until the errors show that ``what`` holds."""
        deadline = time.monotonic() + IN_FORCE_WITHIN_S
        while True:
            arguments = ("create", "--dry-run=server", "--validate=false", "-f", "-")
            error = self._call(*arguments, objects=objects).stderr
            if done(error):
                return
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"not within {IN_FORCE_WITHIN_S:.0f} s: {what}; last answer: {error.strip()}"
                )
            time.sleep(POLL_S)

    def _apply(self, manifests: Sequence[Manifest]) -> None:
        if manifests:
            flags = ("--server-side", "--force-conflicts", f"--field-manager={FIELD_MANAGER}")
            self._run("apply", *flags, "-f", "-", objects=manifests)

    def _run(self, *arguments: str, objects: Sequence[Manifest] = ()) -> None:
        done = self._call(*arguments, objects=objects)
        if done.returncode:
            raise ClusterError(f"kubectl {arguments[0]}: {done.stderr.strip()}")

    def _call(
        self, *arguments: str, objects: Sequence[Manifest]
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._command, *arguments],
            input=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}),
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
