"""Certificate authorities, the certificates they issue, and keys, as PEM files."""

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

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, as PEM files."""

    certificate: Path
    key: Path

    @classmethod
    def in_directory(cls, directory: Path, name: str) -> Self:
        """Return ``<directory>/<name>.crt`` and ``.key``."""
        return cls(directory / f"{name}.crt", directory / f"{name}.key")


class Authority:
    """A certificate authority kept in ``files``."""

    def __init__(self, files: KeyPair) -> None:
        key = serialization.load_pem_private_key(files.key.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{files.key} is not an elliptic-curve key")
        self._key = key
        self._certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())

    @classmethod
    def load_or_create(cls, files: KeyPair, name: str) -> Self:
        """Return the authority in ``files``, made on the first call and called ``name``."""
        if not files.certificate.exists():  # written last
            key = ec.generate_private_key(ec.SECP256R1())
            subject = _subject(name, ())
            certificate = (
                _builder(subject, subject, key, AUTHORITY_LIFETIME)
                .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                .add_extension(_key_usage(authority=True), critical=True)
                .sign(key, hashes.SHA256())
            )
            _write_key(files.key, key)
            _write_public(files.certificate, _pem(certificate))
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
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if hosts:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
        builder = (
            _builder(
                _subject(common_name, organizations), self._certificate.subject, key, LEAF_LIFETIME
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False
            )
        _write_key(files.key, key)
        _write_public(files.certificate, _pem(builder.sign(self._key, hashes.SHA256())))


def create_service_account_key(path: Path) -> None:
    """Make the key that signs ServiceAccount tokens, unless it is there."""
    if not path.exists():
        key = rsa.generate_private_key(public_exponent=65537, key_size=SERVICE_ACCOUNT_KEY_BITS)
        _write_key(path, key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, lifetime: dt.timedelta
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _subject(common_name: str, organizations: Sequence[str]) -> x509.Name:
    return x509.Name(
        [
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_key(path: Path, key: PrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_private(path, pem)


def _write_public(path: Path, content: bytes) -> None:
    _replace(path, content, 0o644)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    _replace(path, content, 0o600)


def _replace(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    part.replace(path)
