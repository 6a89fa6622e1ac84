"""Every key and certificate of one control plane, and who each is for."""

from pathlib import Path

from devcluster.addresses import Addresses
from devcluster.pki import Authority, KeyPair, create_service_account_key
from devcluster.ports import LOOPBACK


class Credentials:
    """Where the keys and certificates of one control plane are in ``directory``.

    etcd has an authority of its own, as kubeadm does it: a certificate that opens the
    API server must not open etcd, where there is no RBAC.
    """

    def __init__(self, directory: Path) -> None:
        self.authority = KeyPair.in_directory(directory, "ca")
        self.etcd_authority = KeyPair.in_directory(directory, "etcd-ca")
        self.service_account_key = directory / "service-account.key"
        self.serving = KeyPair.in_directory(directory, "apiserver")
        self.manager_serving = KeyPair.in_directory(directory, "controller-manager-serving")
        self.etcd_serving = KeyPair.in_directory(directory, "etcd")
        self.etcd_client = KeyPair.in_directory(directory, "etcd-client")
        """The API server's, for etcd."""
        self.manager = KeyPair.in_directory(directory, "controller-manager")
        """The controller manager's, for the API server."""
        self.admin = KeyPair.in_directory(directory, "admin")
        """In group system:masters, which RBAC can't refuse anything."""
        self.kubelet_client = KeyPair.in_directory(directory, "kubelet-client")
        """The API server's, for kubelets."""

    def issue(self, addresses: Addresses) -> None:
        """Make the authorities and the ServiceAccount key if missing, and all else in any case.

        Kubeconfigs and tokens that the former signed stay valid over restarts; the
        latter can't expire on a cluster that is in use.
        """
        create_service_account_key(self.service_account_key)
        etcd = Authority.load_or_create(self.etcd_authority, "wegent dev etcd")
        etcd.issue(self.etcd_serving, "etcd", hosts=(LOOPBACK,))
        etcd.issue(self.etcd_client, "kube-apiserver")
        authority = Authority.load_or_create(self.authority, "wegent dev")
        authority.issue(self.serving, "kube-apiserver", hosts=addresses.serving_names)
        authority.issue(self.manager_serving, "controller-manager", hosts=(LOOPBACK,))
        authority.issue(self.manager, "system:kube-controller-manager")
        authority.issue(self.admin, "wegent-dev-admin", organizations=("system:masters",))
        if addresses.nodes:
            authority.issue(self.kubelet_client, "kubelet-api", organizations=("system:masters",))
