"""The three servers' command lines: what is not upstream's default, and why."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from devcluster.kubeconfig import write_kubeconfig
from devcluster.pki import Authority, KeyPair, service_account_key
from devcluster.ports import LOOPBACK

SERVICE_RANGE: Final = "10.96.0.0/16"
KUBERNETES_SERVICE_IP: Final = "10.96.0.1"
SERVING_NAMES: Final = (
    LOOPBACK,
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    KUBERNETES_SERVICE_IP,
)
ISSUER: Final = "https://kubernetes.default.svc.cluster.local"
AUDIT_MAX_MEGABYTES: Final = 1024
"""A test that counts requests must not see the log rotate under it."""

AUDIT_POLICY: Final[dict[str, Any]] = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    # One line per request, when its answer is known.
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
        # The control plane's own reading would drown everybody else's.
        {"level": "None", "userGroups": ["system:masters", "system:nodes"]},
        {"level": "None", "users": ["system:apiserver", "system:kube-controller-manager"]},
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "Metadata"},
    ],
}


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the servers of one control plane listen, all on loopback."""

    apiserver: int
    etcd: int
    etcd_peer: int
    controller_manager: int


@dataclass(frozen=True, slots=True)
class Credentials:
    """Every certificate of one control plane."""

    authority: Path
    etcd_authority: Path
    serving: KeyPair
    """The API server's."""
    manager_serving: KeyPair
    etcd_serving: KeyPair
    etcd_client: KeyPair
    admin: KeyPair
    """In group system:masters, which RBAC can't refuse anything."""
    manager: KeyPair
    """The controller manager's identity."""
    service_account_key: Path


def issue_credentials(directory: Path) -> Credentials:
    """Make what is missing in ``directory``, and every leaf certificate anew."""
    authority = Authority.load_or_create(directory, "ca")
    etcd = Authority.load_or_create(directory, "etcd-ca")
    return Credentials(
        authority=authority.certificate_file,
        etcd_authority=etcd.certificate_file,
        serving=authority.issue("apiserver", common_name="kube-apiserver", hosts=SERVING_NAMES),
        manager_serving=authority.issue(
            "controller-manager-serving", common_name="controller-manager", hosts=(LOOPBACK,)
        ),
        etcd_serving=etcd.issue("etcd", common_name="etcd", hosts=(LOOPBACK,)),
        etcd_client=etcd.issue("etcd-client", common_name="kube-apiserver"),
        admin=authority.issue(
            "admin", common_name="wegent-dev-admin", organizations=("system:masters",)
        ),
        manager=authority.issue("controller-manager", common_name="system:kube-controller-manager"),
        service_account_key=service_account_key(directory),
    )


def etcd_command(
    program: Path, ports: Ports, credentials: Credentials, data: Path, *, fsync: bool
) -> Sequence[str]:
    """Return etcd's command line; without ``fsync`` it is quicker and a power cut may lose data."""
    client, peer = f"https://{LOOPBACK}:{ports.etcd}", f"https://{LOOPBACK}:{ports.etcd_peer}"
    pair = credentials.etcd_serving
    return [
        str(program),
        f"--data-dir={data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        # Whoever reaches etcd is above RBAC: other users of this machine must not.
        *(f"--{kind}cert-file={pair.certificate}" for kind in ("", "peer-")),
        *(f"--{kind}key-file={pair.key}" for kind in ("", "peer-")),
        *(f"--{kind}trusted-ca-file={credentials.etcd_authority}" for kind in ("", "peer-")),
        *(f"--{kind}client-cert-auth" for kind in ("", "peer-")),
        *([] if fsync else ["--unsafe-no-fsync"]),
    ]


def apiserver_command(
    program: Path, ports: Ports, credentials: Credentials, audit: tuple[Path, Path] | None
) -> Sequence[str]:
    """Return kube-apiserver's command line; ``audit`` is the policy's file and the log's."""
    return [
        str(program),
        f"--bind-address={LOOPBACK}",
        # Without it, the server looks for a default route and refuses to start offline.
        f"--advertise-address={LOOPBACK}",
        "--endpoint-reconciler-type=none",
        f"--secure-port={ports.apiserver}",
        f"--etcd-servers=https://{LOOPBACK}:{ports.etcd}",
        f"--etcd-cafile={credentials.etcd_authority}",
        f"--etcd-certfile={credentials.etcd_client.certificate}",
        f"--etcd-keyfile={credentials.etcd_client.key}",
        f"--tls-cert-file={credentials.serving.certificate}",
        f"--tls-private-key-file={credentials.serving.key}",
        f"--client-ca-file={credentials.authority}",
        "--authorization-mode=RBAC",
        "--allow-privileged=true",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={credentials.service_account_key}",
        f"--service-account-signing-key-file={credentials.service_account_key}",
        *(_audit_flags(*audit) if audit else ()),
    ]


def controller_manager_command(
    program: Path, ports: Ports, credentials: Credentials, directory: Path
) -> Sequence[str]:
    """Return kube-controller-manager's command line; its kubeconfig goes into ``directory``."""
    kubeconfig = write_kubeconfig(
        directory / "controller-manager.kubeconfig",
        name="controller-manager",
        server=f"https://{LOOPBACK}:{ports.apiserver}",
        ca_file=credentials.authority,
        credentials=credentials.manager,
    )
    return [
        str(program),
        f"--kubeconfig={kubeconfig}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={ports.controller_manager}",
        f"--tls-cert-file={credentials.manager_serving.certificate}",
        f"--tls-private-key-file={credentials.manager_serving.key}",
        f"--root-ca-file={credentials.authority}",
        f"--service-account-private-key-file={credentials.service_account_key}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        # Namespaces are deleted as quickly as the API server allows, not 20 requests a second.
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]


def _audit_flags(policy: Path, log: Path) -> Sequence[str]:
    policy.write_text(json.dumps(AUDIT_POLICY, indent=2), encoding="utf-8")
    return [
        f"--audit-policy-file={policy}",
        f"--audit-log-path={log}",
        "--audit-log-mode=blocking",
        f"--audit-log-maxsize={AUDIT_MAX_MEGABYTES}",
        "--audit-log-maxbackup=1",
    ]
