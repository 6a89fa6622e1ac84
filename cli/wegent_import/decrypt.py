"""Decryption of keys in Wegent's database: AES-256-CBC with PKCS #7 padding, in base64.

Wegent takes the key and the IV from environment variables. The importer reads the same variables.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Final

KEY_VARIABLE: Final = "GIT_TOKEN_AES_KEY"
IV_VARIABLE: Final = "GIT_TOKEN_AES_IV"
BLOCK_BYTES: Final = 16
KEY_BYTES: Final = frozenset({16, 24, 32})


class DecryptError(ValueError):
    """Keys are given and can't be used."""


def decrypter(environment: Mapping[str, str]) -> Callable[[str], str | None] | None:
    """Return a function that decrypts a key, or None if the environment has no keys.

    The function returns None for a text that these keys don't decrypt.

    Raises:
        DecryptError: a variable has a wrong length, or the package ``cryptography`` is missing.
    """
    key = environment.get(KEY_VARIABLE, "").encode()
    iv = environment.get(IV_VARIABLE, "").encode()
    if not key and not iv:
        return None
    if len(key) not in KEY_BYTES:
        raise DecryptError(f"{KEY_VARIABLE} must have 32 bytes, as in Wegent's own environment")
    if len(iv) != BLOCK_BYTES:
        raise DecryptError(f"{IV_VARIABLE} must have {BLOCK_BYTES} bytes, as in Wegent's own")
    try:
        from cryptography.hazmat.primitives.ciphers import (  # noqa: PLC0415 - an extra
            Cipher,
            algorithms,
            modes,
        )
    except ImportError:
        message = "encrypted keys need a further package: pip install 'wegent[import]'"
        raise DecryptError(message) from None

    def decrypt(text: str) -> str | None:
        try:
            raw = base64.b64decode(text, validate=True)
        except (ValueError, binascii.Error):
            return None
        if not raw or len(raw) % BLOCK_BYTES:
            return None
        # CBC is Wegent's format, and nothing is encrypted here.
        opened = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
        return _unpadded(opened.update(raw) + opened.finalize())

    return decrypt


def _unpadded(padded: bytes) -> str | None:
    size = padded[-1]
    if not 1 <= size <= BLOCK_BYTES or padded[-size:] != bytes([size]) * size:
        return None
    try:
        return padded[:-size].decode("utf-8")
    except UnicodeDecodeError:
        return None
