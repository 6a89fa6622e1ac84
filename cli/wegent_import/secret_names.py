"""Names of fields, headers, variables and flags that have secrets as values.

A name is split into its parts, at separators and at the capital letters of ``camelCase``. One
secret part makes the name secret.
"""

import re
from functools import lru_cache
from typing import Final

NAME_MAX: Final = 256
"""Characters of the longest name that is examined. A longer name counts as secret."""
PARTS: Final = frozenset(
    {
        *("pass", "passwd", "password", "passphrase", "passcode", "pwd", "pw", "pin", "psk"),
        *("auth", "oauth", "authorization", "authorisation", "bearer", "jwt", "sas", "hmac"),
        *("pat", "otp", "totp", "ak", "sk", "sig", "signature", "secret", "webhook"),
        *("cred", "creds", "credential", "cookie", "apikey", "userpass"),
    }
)
"""Parts that make a name secret, in lower case, also with digits or an ``s`` at the end."""
WITHIN: Final = (
    *("passw", "passphrase", "pwd", "secret", "credential", "cookie", "authori"),
    *("apikey", "accesskey", "privatekey", "secretkey", "authkey", "sessionid"),
)
"""Texts that make a name secret anywhere, also in names without separators (``PGPASSWORD``)."""
COUNTS: Final = frozenset(
    {
        *("max", "min", "limit", "limits", "count", "total", "budget", "per", "num", "number"),
        *("input", "output", "prompt", "completion", "context", "used", "usage", "window"),
    }
)
"""Parts that make tokens a number of an LLM's tokens."""
_EDGES: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SEPARATORS: Final = re.compile(r"[^a-z0-9]+")


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Return True if a field, a header or a variable of this name has a secret value."""
    if len(name) > NAME_MAX:
        return True
    # API_Key and apiKEY have other edges than their lower case; either form counts.
    split = _parts(_EDGES.sub("_", name).lower())
    plain = _parts(name.lower())
    counted = not COUNTS.isdisjoint(split)
    return any(_is_secret(parts, counted=counted) for parts in (split, plain))


def _parts(name: str) -> list[str]:
    parts = [part.rstrip("0123456789") for part in _SEPARATORS.split(name)]
    return [part for part in parts if part]


def _is_secret(parts: list[str], *, counted: bool) -> bool:
    if any(part in PARTS or part.removesuffix("s") in PARTS for part in parts):
        return True
    joined = "".join(parts)
    if any(text in joined for text in WITHIN):
        return True
    if not counted and any("token" in part and "tokeniz" not in part for part in parts):
        return True
    last = parts[-1] if parts else ""
    if last.removesuffix("s").endswith("key"):
        return "public" not in joined
    return last.endswith("pass") and last not in {"bypass", "compass"}
