"""Names: Kubernetes names for Wegent's, by a function of the name alone.

The function needs no other document, so a reference gets the same name as the object in every
import.
"""

import hashlib
import re
from typing import Final

from wegent_crds.kinds.account import NAME_MAX, RESERVED_NAMES
from wegent_crds.schema.fields import DNS_LABEL, DNS_SUBDOMAIN

OBJECT_MAX: Final = 253
LABEL_MAX: Final = 63
LONGEST: Final = 4096
"""Characters of an original that a name is made of. The digest is that of all."""
DIGEST_CHARS: Final = 6
_TO_DASH: Final = re.compile(r"[\s_]+")
_NOT_IN_OBJECT: Final = re.compile(r"[^-a-z0-9.]+")
_NOT_IN_LABEL: Final = re.compile(r"[^-a-z0-9]+")
_NOT_IN_SERVER: Final = re.compile(r"[^-A-Za-z0-9_.]+")
_DOT_EDGES: Final = re.compile(r"-*+\.[-.]*+")
_SUBDOMAIN: Final = re.compile(DNS_SUBDOMAIN)
_LABEL: Final = re.compile(DNS_LABEL)
_SERVER: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def object_name(original: str, kind: str) -> str:
    """Return the name of an object: lower case, with dashes for underscores and blanks.

    Other characters that a name can't have are dropped; six hexadecimal digits of the original's
    SHA-256 then keep the name apart from similar ones. ``kind`` is the base of a name of which
    nothing is left.
    """
    plain = _TO_DASH.sub("-", original[:LONGEST].lower())
    if len(original) <= LONGEST and len(plain) <= OBJECT_MAX and _SUBDOMAIN.fullmatch(plain):
        return plain
    base = _DOT_EDGES.sub(".", _NOT_IN_OBJECT.sub("", plain)).strip("-.")
    return with_digest(base or kind.lower(), original, OBJECT_MAX)


def namespace_name(original: str) -> str:
    """Return the name of a namespace, made as `object_name` does, without dots."""
    plain = _TO_DASH.sub("-", original[:LONGEST].lower())
    if len(original) <= LONGEST and len(plain) <= LABEL_MAX and _LABEL.fullmatch(plain):
        return plain
    base = _NOT_IN_LABEL.sub("", plain).strip("-")
    return with_digest(base or "namespace", original, LABEL_MAX)


def account_name(original: str) -> str:
    """Return the name of an Account, made as `object_name` does."""
    plain = _TO_DASH.sub("-", original[:LONGEST].lower())
    is_short = len(original) <= LONGEST and len(plain) <= NAME_MAX
    if is_short and _LABEL.fullmatch(plain) and plain not in RESERVED_NAMES:
        return plain
    base = _NOT_IN_LABEL.sub("", plain).strip("-")
    return with_digest(base or "user", original, NAME_MAX)


def server_name(original: str) -> str:
    """Return the name of an MCP server: 1 to 63 letters, digits, dashes, underscores and dots."""
    start = original[:LONGEST]
    plain = start if _SERVER.fullmatch(start) else re.sub(r"\s+", "-", start)
    if len(original) <= LONGEST and _SERVER.fullmatch(plain):
        return plain
    base = _NOT_IN_SERVER.sub("", plain).strip("-_.")
    return with_digest(base or "server", original, LABEL_MAX)


def with_digest(base: str, original: str, limit: int) -> str:
    """Return ``base`` with a dash and a digest of ``original``, of at most ``limit`` characters."""
    digest = hashlib.sha256(original.encode("utf-8", "replace")).hexdigest()[:DIGEST_CHARS]
    return f"{base[: limit - DIGEST_CHARS - 1].rstrip('-._')}-{digest}"
