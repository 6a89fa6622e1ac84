"""The three servers' command lines: what is not upstream's default, and why."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from devcluster.addresses import Addresses
from devcluster.credentials import Credentials
from devcluster.kubeconfig import write_kubeconfig
from devcluster.ports import LOOPBACK, Ports

ISSUER: Final = "https://kubernetes.default.svc.cluster.local"
NO_NODES: Final = ("--endpoint-reconciler-type=none", "--authorization-mode=RBAC")
"""The Service ``kubernetes`` has no endpoints where no pod could ask for them."""
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


def etcd_command(
    program: Path, ports: Ports, credentials: Credentials, data: Path, *, fsync: bool
) -> Sequence[str]:
    """Return etcd's command line; without ``fsync`` it is quicker and a power cut may lose data."""
    client, peer = f"https://{LOOPBACK}:{ports.etcd}", f"https://{LOOPBACK}:{ports.etcd_peer}"
    return [
        str(program),
        f"--data-dir={data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        # RBAC does not apply to clients of etcd: other users of this machine must not reach it.
        *_etcd_tls(credentials, ""),
        *_etcd_tls(credentials, "peer-"),
        *([] if fsync else ["--unsafe-no-fsync"]),
    ]


def apiserver_command(
    program: Path,
    ports: Ports,
    credentials: Credentials,
    addresses: Addresses,
    audit: tuple[Path, Path] | None,
) -> Sequence[str]:
    """Return kube-apiserver's command line; ``audit`` is the policy's file and the log's."""
    return [
        str(program),
        f"--bind-address={addresses.apiserver}",
        # Without it, the server looks for a default route and refuses to start offline.
        f"--advertise-address={addresses.apiserver}",
        *(_kubelet_flags(credentials) if addresses.nodes else NO_NODES),
        f"--secure-port={ports.apiserver}",
        f"--etcd-servers=https://{LOOPBACK}:{ports.etcd}",
        f"--etcd-cafile={credentials.etcd_authority.certificate}",
        f"--etcd-certfile={credentials.etcd_client.certificate}",
        f"--etcd-keyfile={credentials.etcd_client.key}",
        f"--tls-cert-file={credentials.serving.certificate}",
        f"--tls-private-key-file={credentials.serving.key}",
        f"--client-ca-file={credentials.authority.certificate}",
        "--allow-privileged=true",
        f"--service-cluster-ip-range={addresses.services}",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={credentials.service_account_key}",
        f"--service-account-signing-key-file={credentials.service_account_key}",
        *(_audit_flags(*audit) if audit else ()),
    ]


def controller_manager_command(
    program: Path, ports: Ports, credentials: Credentials, server: str, directory: Path
) -> Sequence[str]:
    """Return its command line for the API server at ``server``; a kubeconfig in ``directory``."""
    kubeconfig = write_kubeconfig(
        directory / "controller-manager.kubeconfig",
        name="controller-manager",
        server=server,
        ca_file=credentials.authority.certificate,
        credentials=credentials.manager,
    )
    return [
        str(program),
        f"--kubeconfig={kubeconfig}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={ports.controller_manager}",
        f"--tls-cert-file={credentials.manager_serving.certificate}",
        f"--tls-private-key-file={credentials.manager_serving.key}",
        f"--root-ca-file={credentials.authority.certificate}",
        f"--service-account-private-key-file={credentials.service_account_key}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        # Namespaces are deleted as quickly as the API server allows, not 20 requests a second.
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]


def _kubelet_flags(credentials: Credentials) -> Sequence[str]:
    return [
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--kubelet-certificate-authority={credentials.authority.certificate}",
        f"--kubelet-client-certificate={credentials.kubelet_client.certificate}",
        f"--kubelet-client-key={credentials.kubelet_client.key}",
        "--kubelet-preferred-address-types=InternalIP",
    ]


def _etcd_tls(credentials: Credentials, prefix: str) -> Sequence[str]:
    return [
        f"--{prefix}cert-file={credentials.etcd_serving.certificate}",
        f"--{prefix}key-file={credentials.etcd_serving.key}",
        f"--{prefix}trusted-ca-file={credentials.etcd_authority.certificate}",
        f"--{prefix}client-cert-auth",
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
