"""The three servers' command lines: options that differ from upstream's defaults, and why.

The servers run in the control plane's directory, so that the path of etcd's socket is short.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from devcluster.addresses import Addresses
from devcluster.pki import Credentials

# Only its owner may write to the socket. RBAC does not apply to clients of etcd, and other users
# of this machine must not reach it.
ETCD: Final = "unix://etcd.sock"
ETCD_PEER: Final = "unix://etcd-peer.sock"
ISSUER: Final = "https://kubernetes.default.svc.cluster.local"
AUDIT_POLICY: Final = Path(__file__).parent / "audit-policy.yaml"


def etcd_command(program: Path, data: Path, *, fsync: bool) -> Sequence[str]:
    """Return etcd's command line; without ``fsync`` it is quicker and a power cut may lose data."""
    return [
        str(program),
        f"--data-dir={data}",
        f"--listen-client-urls={ETCD}",
        f"--advertise-client-urls={ETCD}",
        f"--listen-peer-urls={ETCD_PEER}",
        f"--initial-advertise-peer-urls={ETCD_PEER}",
        f"--initial-cluster=default={ETCD_PEER}",
        *([] if fsync else ["--unsafe-no-fsync"]),
    ]


def apiserver_command(
    program: Path, port: int, keys: Credentials, addresses: Addresses, audit_log: Path | None
) -> Sequence[str]:
    """Return kube-apiserver's command line."""
    flags = [
        str(program),
        f"--bind-address={addresses.apiserver}",
        # Without it, the server looks for a default route and refuses to start offline.
        f"--advertise-address={addresses.apiserver}",
        f"--secure-port={port}",
        f"--etcd-servers={ETCD}",
        f"--tls-cert-file={keys.serving.certificate}",
        f"--tls-private-key-file={keys.serving.key}",
        f"--client-ca-file={keys.authority.certificate}",
        "--allow-privileged=true",
        f"--service-cluster-ip-range={addresses.services}",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={keys.service_account_key}",
        f"--service-account-signing-key-file={keys.service_account_key}",
    ]
    if addresses.nodes:
        flags += [
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--kubelet-certificate-authority={keys.authority.certificate}",
            f"--kubelet-client-certificate={keys.kubelet_client.certificate}",
            f"--kubelet-client-key={keys.kubelet_client.key}",
            "--kubelet-preferred-address-types=InternalIP",
        ]
    else:  # the Service `kubernetes` has no endpoints where no pod could ask for them
        flags += ["--authorization-mode=RBAC", "--endpoint-reconciler-type=none"]
    if audit_log:
        flags += [
            f"--audit-policy-file={AUDIT_POLICY}",
            f"--audit-log-path={audit_log}",
            "--audit-log-mode=blocking",
            # A test that counts requests must not see the log rotate under it.
            "--audit-log-maxsize=1024",
            "--audit-log-maxbackup=1",
        ]
    return flags


def controller_manager_command(program: Path, kubeconfig: Path, keys: Credentials) -> Sequence[str]:
    """Return kube-controller-manager's command line."""
    return [
        str(program),
        f"--kubeconfig={kubeconfig}",
        "--secure-port=0",  # nobody asks it for anything
        f"--root-ca-file={keys.authority.certificate}",
        f"--service-account-private-key-file={keys.service_account_key}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        # Namespaces are deleted as quickly as the API server allows, not 20 requests a second.
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]
