"""The keys and certificates of one control plane, made by trustme.

Its certificates are valid for a thousand years, and each may serve TLS too: nothing of a
development cluster depends on less.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from trustme import CA, KeyType

from devcluster.addresses import Addresses
from devcluster.files import write_private

CLIENT: Final = ("client.invalid",)
"""Go refuses a certificate without any name that a server could have."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, as PEM files."""

    certificate: Path
    key: Path

    @classmethod
    def in_directory(cls, directory: Path, name: str) -> Self:
        """Return ``<directory>/<name>.crt`` and ``.key``."""
        return cls(directory / f"{name}.crt", directory / f"{name}.key")

    def write(self, certificate: bytes, key: bytes) -> None:
        """Write both files, the certificate last."""
        write_private(self.key, key)
        write_private(self.certificate, certificate)


class Credentials:
    """The keys and certificates in ``directory``, and the purpose of each."""

    def __init__(self, directory: Path) -> None:
        self.authority = KeyPair.in_directory(directory, "ca")
        self.service_account_key = directory / "service-account.key"
        """The key that signs ServiceAccount tokens."""
        self.serving = KeyPair.in_directory(directory, "apiserver")
        self.manager = KeyPair.in_directory(directory, "controller-manager")
        self.admin = KeyPair.in_directory(directory, "admin")
        """In group system:masters, which RBAC can't refuse anything."""
        self.kubelet_client = KeyPair.in_directory(directory, "kubelet-client")
        """The API server's, for kubelets."""

    def issue(self, addresses: Addresses) -> None:
        """Make the authority and the ServiceAccount key if missing, and all else in any case.

        Kubeconfigs and tokens that the former signed stay valid over restarts.
        """
        if not self.authority.certificate.exists():
            authority = CA(organization_name="wegent dev", path_length=0)
            key = authority.issue_cert(*CLIENT, key_type=KeyType.RSA).private_key_pem
            write_private(self.service_account_key, key.bytes())
            self.authority.write(authority.cert_pem.bytes(), authority.private_key_pem.bytes())
        self.sign(self.serving, "kube-apiserver", hosts=addresses.serving_names)
        self.sign(self.manager, "system:kube-controller-manager")
        self.sign(self.admin, "wegent-dev-admin", group="system:masters")
        if addresses.nodes:
            self.sign(self.kubelet_client, "kubelet-api", group="system:masters")

    def sign(
        self, pair: KeyPair, user: str, *, group: str | None = None, hosts: Sequence[str] = CLIENT
    ) -> None:
        """Issue a certificate with a key of its own, by which Kubernetes knows ``user``."""
        files = (self.authority.certificate, self.authority.key)
        authority = CA.from_pem(*(file.read_bytes() for file in files))
        leaf = authority.issue_cert(*hosts, common_name=user, organization_name=group)
        pair.write(leaf.cert_chain_pems[0].bytes(), leaf.private_key_pem.bytes())
