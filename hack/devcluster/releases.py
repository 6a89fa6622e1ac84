"""Which program comes from where: a row for each upstream release, a row for each program.

Finding, downloading and building are driven by these rows; a new program is a row (and,
if its project is new, a Go module in ``modules/``).
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Download:
    """Where a project publishes its programs, relative to a base address.

    The locations are templates for :meth:`str.format` with the fields ``version``, ``number``
    (the version without its v), ``os``, ``arch`` and ``program``.
    """

    base: str
    """Address that the locations are joined to; a mirror has another."""
    location: str
    """Of the program, or of a tar archive that holds it."""
    checksums: str
    """Of the SHA-256: alone in its file, or in lines as ``sha256sum`` writes them."""
    member: str | None = None
    """The program's path in the archive; None if the location is the program itself."""


@dataclass(frozen=True, slots=True)
class Release:
    """One upstream project at one version.

    Its programs are built in ``modules/<name>``, whose go.mod and go.sum pin all that
    they are made of.
    """

    name: str
    version: str
    download: Download | None
    """None for what is not published, only built."""
    ldflags: str = "-s -w"
    tags: str = ""
    """Go's build tags, separated by commas."""
    cgo: bool = False
    """True if it is partly C: it needs a C compiler, and is built for this machine only."""

    def directory_name(self, platform: str) -> str:
        """Return the name of its directory in the cache, for a platform like ``linux-amd64``."""
        return f"{self.name}-{self.version}-{platform}"


@dataclass(frozen=True, slots=True)
class Program:
    """One executable."""

    name: str
    release: Release
    package: str
    """The Go package that is built."""

    def expand(self, template: str, platform: str) -> str:
        """Return a location of this program's download for ``platform``."""
        system, _, machine = platform.partition("-")
        return template.format(
            version=self.release.version,
            number=self.release.version.removeprefix("v"),
            os=system,
            arch=machine,
            program=self.name,
        )


_KUBERNETES_VERSION: Final = "v1.37.2"
KUBERNETES: Final = Release(
    "kubernetes",
    _KUBERNETES_VERSION,
    Download(
        base="https://dl.k8s.io/release/",
        location="{version}/bin/{os}/{arch}/{program}",
        checksums="{version}/bin/{os}/{arch}/{program}.sha256",
    ),
    # Without these, the servers and kubectl call themselves v0.0.0.
    ldflags=(
        f"-s -w -X k8s.io/component-base/version.gitVersion={_KUBERNETES_VERSION}"
        f" -X k8s.io/client-go/pkg/version.gitVersion={_KUBERNETES_VERSION}"
    ),
)
_ETCD_ARCHIVE: Final = "etcd-{version}-{os}-{arch}"
ETCD: Final = Release(
    "etcd",
    "v3.7.3",
    Download(
        base="https://github.com/etcd-io/etcd/releases/download/",
        location="{version}/" + _ETCD_ARCHIVE + ".tar" + ".gz",
        checksums="{version}/SHA256SUMS",
        member=_ETCD_ARCHIVE + "/{program}",
    ),
)
KIND: Final = Release(
    "kind",
    "v0.33.0",
    Download(
        base="https://github.com/kubernetes-sigs/kind/releases/download/",
        location="{version}/{program}-{os}-{arch}",
        checksums="{version}/{program}-{os}-{arch}.sha256sum",
    ),
)
_HELM_VERSION: Final = "v4.3.1"
HELM: Final = Release(
    "helm",
    _HELM_VERSION,
    Download(
        base="https://get.helm.sh/",
        location="helm-{version}-{os}-{arch}.tar" + ".gz",
        checksums="helm-{version}-{os}-{arch}.tar" + ".gz.sha256sum",
        member="{os}-{arch}/{program}",
    ),
    ldflags=f"-s -w -X helm.sh/helm/v4/internal/version.version={_HELM_VERSION}",
)
_CONTAINERD_PACKAGE: Final = "github.com/containerd/containerd/v2/cmd"
CONTAINERD: Final = Release(
    "containerd",
    "v2.4.2",
    Download(
        base="https://github.com/containerd/containerd/releases/download/",
        location="{version}/containerd-{number}-{os}-{arch}.tar" + ".gz",
        checksums="{version}/containerd-{number}-{os}-{arch}.tar" + ".gz.sha256sum",
        member="bin/{program}",
    ),
    ldflags="-s -w -X github.com/containerd/containerd/v2/version.Version=v2.4.2",
)
RUNC: Final = Release(
    "runc",
    "v1.5.2",
    Download(
        base="https://github.com/opencontainers/runc/releases/download/",
        location="{version}/{program}.{arch}",
        checksums="{version}/{program}.sha256sum",
    ),
    tags="seccomp",
    cgo=True,
)
COREDNS: Final = Release(
    "coredns",
    "v1.15.0",
    Download(
        base="https://github.com/coredns/coredns/releases/download/",
        location="{version}/coredns_{number}_{os}_{arch}.tgz",
        checksums="{version}/coredns_{number}_{os}_{arch}.tgz.sha256",
        member="{program}",
    ),
)
PAUSE: Final = Release("pause", "v1.0.0", None)
"""Ours: what holds a pod's namespaces needs to do nothing, in no file but its own."""

PROGRAMS: Final = {
    program.name: program
    for program in (
        Program("etcd", ETCD, "go.etcd.io/etcd/server/v3"),
        Program("kube-apiserver", KUBERNETES, "k8s.io/kubernetes/cmd/kube-apiserver"),
        Program(
            "kube-controller-manager", KUBERNETES, "k8s.io/kubernetes/cmd/kube-controller-manager"
        ),
        Program("kubectl", KUBERNETES, "k8s.io/kubernetes/cmd/kubectl"),
        Program("kube-scheduler", KUBERNETES, "k8s.io/kubernetes/cmd/kube-scheduler"),
        Program("kubelet", KUBERNETES, "k8s.io/kubernetes/cmd/kubelet"),
        Program("kube-proxy", KUBERNETES, "k8s.io/kubernetes/cmd/kube-proxy"),
        Program("containerd", CONTAINERD, f"{_CONTAINERD_PACKAGE}/containerd"),
        Program(
            "containerd-shim-runc-v2", CONTAINERD, f"{_CONTAINERD_PACKAGE}/containerd-shim-runc-v2"
        ),
        Program("ctr", CONTAINERD, f"{_CONTAINERD_PACKAGE}/ctr"),
        Program("runc", RUNC, "github.com/opencontainers/runc"),
        Program("coredns", COREDNS, "github.com/coredns/coredns"),
        Program("pause", PAUSE, "wegent.invalid/devcluster/pause"),
        Program("kind", KIND, "sigs.k8s.io/kind"),
        Program("helm", HELM, "helm.sh/helm/v4/cmd/helm"),
    )
}
