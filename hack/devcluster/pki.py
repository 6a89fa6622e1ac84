"""Certificate authorities, the certificates they issue, and keys, as PEM files.

This module uses cryptography directly. trustme always writes a subject and a critical
subjectAltName; RFC 5280, section 4.2.1.6, advises against the pair, and strict verifiers
refuse it. trustme also lets each client certificate serve TLS and sign code.
"""

import datetime as dt
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFETIME: Final = dt.timedelta(days=3650)
LEAF_LIFETIME: Final = dt.timedelta(days=365)
CLOCK_SKEW: Final = dt.timedelta(minutes=5)
"""Certificates are valid from a little before now, for clocks that step back."""
SERVICE_ACCOUNT_KEY_BITS: Final = 2048
UNUSED: Final = (
    *("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("encipher_only", "decipher_only"),
)
"""Key usages that TLS with elliptic-curve keys does not need."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, as PEM files."""

    certificate: Path
    key: Path

    @classmethod
    def in_directory(cls, directory: Path, name: str) -> Self:
        """Return ``<directory>/<name>.crt`` and ``.key``."""
        return cls(directory / f"{name}.crt", directory / f"{name}.key")

    def write(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        """Write both files, the certificate last."""
        write_private(self.key, _pem(key))
        _replace(self.certificate, certificate.public_bytes(serialization.Encoding.PEM), 0o644)


class Authority:
    """A certificate authority kept in ``files``."""

    def __init__(self, files: KeyPair) -> None:
        key = serialization.load_pem_private_key(files.key.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{files.key} is not an elliptic-curve key")
        self._key = key
        self._name = x509.load_pem_x509_certificate(files.certificate.read_bytes()).subject

    @classmethod
    def load_or_create(cls, files: KeyPair, name: str) -> Self:
        """Return the authority in ``files``, made on the first call and called ``name``."""
        if not files.certificate.exists():  # written last
            key = ec.generate_private_key(ec.SECP256R1())
            subject = _subject(name)
            builder = _builder(subject, key, subject, key, AUTHORITY_LIFETIME, authority=True)
            files.write(builder.sign(key, hashes.SHA256()), key)
        return cls(files)

    def issue(
        self,
        files: KeyPair,
        common_name: str,
        *,
        organizations: Sequence[str] = (),
        hosts: Sequence[str] = (),
    ) -> None:
        """Issue a certificate with a key of its own.

        Args:
            files: where they go.
            common_name: the user's name, where Kubernetes reads the certificate.
            organizations: the user's groups, likewise.
            hosts: DNS names and IP addresses; a certificate with any may serve TLS.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject(common_name, *organizations)
        builder = _builder(subject, key, self._name, self._key, LEAF_LIFETIME, authority=False)
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if hosts:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        files.write(builder.sign(self._key, hashes.SHA256()), key)


def create_service_account_key(path: Path) -> None:
    """Make the key that signs ServiceAccount tokens, unless it is there."""
    if not path.exists():
        key = rsa.generate_private_key(public_exponent=65537, key_size=SERVICE_ACCOUNT_KEY_BITS)
        write_private(path, _pem(key))


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    _replace(path, content, 0o600)


def _builder(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    lifetime: dt.timedelta,
    *,
    authority: bool,
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    constraints = x509.BasicConstraints(ca=authority, path_length=0 if authority else None)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        **dict.fromkeys(UNUSED, False),
    )
    own_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(constraints, critical=True)
        .add_extension(usage, critical=True)
        .add_extension(own_id, critical=False)
        .add_extension(issuer_id, critical=False)
    )


def _subject(common_name: str, *organizations: str) -> x509.Name:
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _replace(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    part.replace(path)
