"""The node's programs: what each is told that is not upstream's default, and why.

All of them listen in the node's own network namespace, so ports are upstream's; all paths
are as seen from inside.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from devcluster.node.namespaces import INSIDE
from devcluster.node.network import NodeNetwork

NAME: Final = "node"
"""Of the Node object."""
PAUSE_IMAGE: Final = "wegent.invalid/pause:1"
CLUSTER_DOMAIN: Final = "cluster.local"
SOCKET: Final = INSIDE / "containerd.sock"
DNS_PORT: Final = 5353
"""Unprivileged; the Service for it has 53."""


def containerd(plugins: Sequence[Path], runc: Path) -> str:
    """Return containerd's configuration, version 3.

    Args:
        plugins: directories of network plugins.
        runc: the program.
    """
    images, runtime = "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"
    directories = json.dumps([str(path) for path in plugins])
    return f"""version = 3
root = "{INSIDE}/containerd"
state = "/run/containerd"

[grpc]
address = "{SOCKET}"

[plugins.'{images}']
snapshotter = "overlayfs"

[plugins.'{images}'.pinned_images]
sandbox = "{PAUSE_IMAGE}"

[plugins.'{runtime}']
# A machine that is itself confined may not lower oom scores.
restrict_oom_score_adj = true

[plugins.'{runtime}'.cni]
bin_dirs = {directories}
conf_dir = "{INSIDE}/cni"

[plugins.'{runtime}'.containerd]
default_runtime_name = "runc"

[plugins.'{runtime}'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins.'{runtime}'.containerd.runtimes.runc.options]
BinaryName = "{runc}"
"""


def cni(network: NodeNetwork) -> Mapping[str, Any]:
    """Return the network of pods: a link for each, routed.

    No bridge: what one pod sends another through a Service comes back the way it went only
    if the node routes it, or if the kernel filters bridged packets, which is a module more.
    """
    return {
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            {
                "type": "ptp",
                "ipam": {
                    "type": "host-local",
                    "dataDir": str(INSIDE / "ipam"),
                    "ranges": [[{"subnet": str(network.pods)}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
        ],
    }


def kubelet(network: NodeNetwork) -> Mapping[str, Any]:
    """Return the kubelet's configuration."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "address": str(network.node),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(INSIDE / "pki/ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(INSIDE / "pki/kubelet-serving.crt"),
        "tlsPrivateKeyFile": str(INSIDE / "pki/kubelet-serving.key"),
        "clusterDNS": [str(network.dns)],
        "clusterDomain": CLUSTER_DOMAIN,
        "resolvConf": str(INSIDE / "resolv.conf"),
        "podLogsDir": str(INSIDE / "pod-logs"),
        # The node's control group holds all: none below it for each class of pods.
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "failSwapOn": False,
        "oomScoreAdj": 0,
        # This machine's disk is nobody's business here.
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "registryPullQPS": 0,
        "eventRecordQPS": 50,
        "kubeAPIQPS": 100,
        "kubeAPIBurst": 200,
    }


def kube_proxy(network: NodeNetwork) -> Mapping[str, Any]:
    """Return kube-proxy's configuration."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(INSIDE / "kube-proxy.kubeconfig")},
        "hostnameOverride": NAME,
        "clusterCIDR": str(network.pods),
        "oomScoreAdj": 0,
        # Limits of the whole machine are left as they are.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
        # A Service follows its endpoints at once; upstream's second spares big clusters.
        "nftables": {"minSyncPeriod": "100ms"},
    }


def corefile(network: NodeNetwork) -> str:
    """Return CoreDNS's configuration: the cluster's names, and no others."""
    return f""".:{DNS_PORT} {{
    bind {network.node}
    errors
    ready {network.node}:8181
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa {{
        kubeconfig {INSIDE}/coredns.kubeconfig
        pods insecure
    }}
}}
"""


def dns_manifests(network: NodeNetwork) -> Sequence[Mapping[str, Any]]:
    """Return the Service of the cluster's DNS, and the rights of CoreDNS.

    It runs beside the kubelet and not in a pod, so that it needs no image; the Service's
    endpoint is written by hand.
    """
    name, namespace = "kube-dns", "kube-system"
    ports = [
        {"name": "dns", "port": DNS_PORT, "protocol": "UDP"},
        {"name": "dns-tcp", "port": DNS_PORT, "protocol": "TCP"},
    ]
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "clusterIP": str(network.dns),
                "ports": [
                    {**port, "port": 53, "targetPort": DNS_PORT, "protocol": port["protocol"]}
                    for port in ports
                ],
            },
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {"kubernetes.io/service-name": name},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [str(network.node)], "conditions": {"ready": True}}],
            "ports": ports,
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "system:coredns"},
            "rules": [
                {
                    "apiGroups": [""],
                    "resources": ["services", "pods", "namespaces"],
                    "verbs": ["list", "watch"],
                },
                {
                    "apiGroups": ["discovery.k8s.io"],
                    "resources": ["endpointslices"],
                    "verbs": ["list", "watch"],
                },
            ],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "system:coredns"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "system:coredns",
            },
            "subjects": [
                {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "User",
                    "name": "system:coredns",
                }
            ],
        },
    ]
