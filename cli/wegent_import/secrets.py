"""Secrets: keys and tokens of documents, apart from the objects that refer to them."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from wegent_crds.api_keys import HOSTS_ANNOTATION, SECRET_TYPE
from wegent_import.names import OBJECT_MAX, object_name

DATA_KEY: Final = "key"
"""Key of the data, the same as in Secrets of the REST API."""
MAX_CHARS: Final = 4096
DIGEST_CHARS: Final = 10


@dataclass(frozen=True, slots=True)
class Secret:
    """One value that only a Secret may have."""

    namespace: str
    name: str
    hosts: tuple[str, ...]
    """Hosts that may receive the value; empty if no program of Wegent reads it."""
    value: str = field(repr=False)
    kind: str
    """Kind of the object that uses it."""
    owner: str
    """Name of the object that uses it."""
    server: str | None = None
    """MCP server of a header; None for the key of a Model."""
    header: str | None = None
    field: str = ""
    """Field of the document that had the value."""

    def body(self) -> dict[str, Any]:
        """Return the Secret as an object of Kubernetes, with its value."""
        usable = bool(self.hosts)
        annotations = {HOSTS_ANNOTATION: ", ".join(self.hosts)} if usable else {}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                **({"annotations": annotations} if annotations else {}),
            },
            "type": SECRET_TYPE if usable else "Opaque",
            "stringData": {DATA_KEY: self.value},
        }


def is_sendable(value: str) -> bool:
    """Return True if a value can be sent in a header: printable ASCII characters."""
    return value.isascii() and value.isprintable() and len(value) <= MAX_CHARS


def secret_name(kind: str, *parts: str) -> str:
    """Return the name of a Secret: the kind, the parts and a digest of them.

    Only the digest keeps ``a`` with ``b-c`` apart from ``a-b`` with ``c``, and ``X-Key`` from
    ``X_Key``.
    """
    digest = hashlib.sha256("\0".join((kind, *parts)).encode("utf-8", "replace")).hexdigest()
    base = object_name("-".join((kind, *parts)), "secret")[: OBJECT_MAX - DIGEST_CHARS - 1]
    return f"{base.rstrip('-.')}-{digest[:DIGEST_CHARS]}"


def key_name(model: str) -> str:
    """Return the name of the Secret with the key of a Model."""
    suffix = "-key"
    if len(model) + len(suffix) <= OBJECT_MAX:
        return f"{model}{suffix}"
    return secret_name("Model", model)


def host_of(url: str) -> str | None:
    """Return the host of a URL as the annotation of a Secret has it, or None.

    ``http://`` stays, because it allows the key to be sent unencrypted. A default port goes.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or parts.scheme not in {"http", "https"}:
        return None
    shown = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[parts.scheme]
    prefix = "http://" if parts.scheme == "http" else ""
    return f"{prefix}{shown}" + (f":{port}" if port not in {None, default} else "")
