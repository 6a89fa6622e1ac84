"""Certificates, as OpenSSL verifies them with its strict rules."""

import contextlib
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from devcluster.addresses import Addresses
from devcluster.pki import Credentials, KeyPair


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    credentials = Credentials(tmp_path_factory.mktemp("pki"))
    credentials.issue(Addresses())
    return credentials


def load(pair: KeyPair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate.read_bytes())


def handshake(credentials: Credentials, host: str) -> None:
    """Connect a strict client with the API server's certificate, as ``host``."""
    client = ssl.create_default_context(cafile=credentials.authority.certificate)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(credentials.serving.certificate, credentials.serving.key)
    ends = [ssl.MemoryBIO(), ssl.MemoryBIO()]
    one = client.wrap_bio(ends[0], ends[1], server_hostname=host)
    other = server.wrap_bio(ends[1], ends[0], server_side=True)
    for end in (one, other, one):
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()
    assert one.version() == "TLSv1.3"


@pytest.mark.parametrize("host", Addresses().serving_names)
def test_api_server_is_verified_by_each_of_its_names(credentials: Credentials, host: str) -> None:
    handshake(credentials, host)


def test_other_names_are_not_covered(credentials: Credentials) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(credentials, "example.test")


def test_authority_may_sign_and_nothing_below_it_may(credentials: Credentials) -> None:
    authority, admin = load(credentials.authority), load(credentials.admin)
    constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = authority.extensions.get_extension_for_class(x509.KeyUsage)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert not admin.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not admin.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


def test_admin_is_who_kubernetes_reads_it_as(credentials: Credentials) -> None:
    subject = load(credentials.admin).subject.rfc4514_string()
    assert subject.startswith("CN=wegent-dev-admin,")
    assert subject.endswith(",O=system:masters")


def test_keys_are_their_owners_only(credentials: Credentials) -> None:
    directory = credentials.authority.key.parent
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.glob("*.key")}
    assert len(modes) == 5
    assert set(modes.values()) == {0o600}


def test_account_key_is_of_a_size_that_verifiers_accept(credentials: Credentials) -> None:
    pem = credentials.service_account_key.read_bytes()
    key = serialization.load_pem_private_key(pem, password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.key_size == 2048


def test_authorities_stay_and_leaves_are_renewed(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path)
    credentials.issue(Addresses())
    kept = (credentials.authority.certificate, credentials.service_account_key)
    before = [path.read_bytes() for path in kept], load(credentials.admin).serial_number
    credentials.issue(Addresses())
    after = [path.read_bytes() for path in kept], load(credentials.admin).serial_number
    assert after[0] == before[0]
    assert after[1] != before[1]
    load(credentials.admin).verify_directly_issued_by(load(credentials.authority))
