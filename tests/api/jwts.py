"""JSON Web Tokens as an attacker would make them, and the cluster's own signing key."""

import base64
import hmac
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

Parts = tuple[dict[str, Any], dict[str, Any], bytes]


def read(token: str) -> Parts:
    """Return header, claims and signature of a token."""
    header, claims, signature = token.split(".")
    return json.loads(_decoded(header)), json.loads(_decoded(claims)), _decoded(signature)


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """Return the part of a token that is signed."""
    return f"{_encoded(json.dumps(header).encode())}.{_encoded(json.dumps(claims).encode())}"


def signed(header: dict[str, Any], claims: dict[str, Any], signature: bytes) -> str:
    """Return a token with that signature."""
    return f"{unsigned(header, claims)}.{_encoded(signature)}"


def rs256(header: dict[str, Any], claims: dict[str, Any], key: rsa.RSAPrivateKey) -> str:
    """Return a token signed by ``key``."""
    message = unsigned(header, claims).encode()
    return signed(header, claims, key.sign(message, padding.PKCS1v15(), hashes.SHA256()))


def hs256(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    """Return a token with a MAC whose key is public: the cluster's public key."""
    header = {**header, "alg": "HS256"}
    return signed(header, claims, hmac.digest(secret, unsigned(header, claims).encode(), "sha256"))


def private_key(file: Path) -> rsa.RSAPrivateKey:
    """Return the key that a cluster signs ServiceAccount tokens with."""
    key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    """Return the public half of ``key``."""
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
