"""Which program comes from where: one row for each program, and one for each release.

Everything that fetches or builds is driven by these two tables.
"""

from dataclasses import dataclass
from typing import Final

KUBERNETES_VERSION: Final = "v1.37.2"
ETCD_VERSION: Final = "v3.7.3"


@dataclass(frozen=True, slots=True)
class Release:
    """One upstream project at one version: a cache directory and a Go module of ours.

    Its programs are built in ``modules/<name>``, whose go.mod pins what they are made of.
    """

    name: str
    version: str
    ldflags: str = "-s -w"

    def directory_name(self, platform: str) -> str:
        """Return the name of its directory in the cache."""
        return f"{self.name}-{self.version}-{platform}"


@dataclass(frozen=True, slots=True)
class Program:
    """One executable."""

    name: str
    release: Release
    package: str
    """The Go package that is built."""


KUBERNETES: Final = Release(
    "kubernetes",
    KUBERNETES_VERSION,
    # Without these, the servers and kubectl call themselves v0.0.0.
    ldflags=(
        f"-s -w -X k8s.io/component-base/version.gitVersion={KUBERNETES_VERSION}"
        f" -X k8s.io/client-go/pkg/version.gitVersion={KUBERNETES_VERSION}"
    ),
)
ETCD: Final = Release("etcd", ETCD_VERSION)

PROGRAMS: Final = {
    program.name: program
    for program in (
        Program("etcd", ETCD, "go.etcd.io/etcd/server/v3"),
        Program("kube-apiserver", KUBERNETES, "k8s.io/kubernetes/cmd/kube-apiserver"),
        Program(
            "kube-controller-manager", KUBERNETES, "k8s.io/kubernetes/cmd/kube-controller-manager"
        ),
        Program("kubectl", KUBERNETES, "k8s.io/kubernetes/cmd/kubectl"),
    )
}
