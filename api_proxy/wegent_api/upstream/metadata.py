"""What an object of the API server begins with, without decoding the rest of it.

The API server writes the keys of a custom resource in the alphabet's order:
``apiVersion``, ``kind``, ``metadata``, ``spec``, ``status``. Where a text begins so, the
value that follows is the object's own metadata, and nothing that a user has put into
an annotation or a prompt. Where it doesn't, the whole is decoded.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from wegent_kube.encoding import encode_json

Metadata = Mapping[str, Any]

_HEAD: Final = re.compile(rb'\{"apiVersion":"[\w./-]+","kind":"\w+","metadata":(?=\{)')
_EVENT: Final = re.compile(rb'\{"type":"([A-Z]+)","object":(?=\{)')
_DECODER: Final = json.JSONDecoder()


def metadata_of(body: bytes) -> Metadata:
    """Return the ``metadata`` of an object; empty where it has none.

    Raises:
        ValueError: this is no JSON.
    """
    if head := _HEAD.match(body):  # ASCII: as many characters as bytes
        metadata, _ = _DECODER.raw_decode(body.decode("utf-8"), head.end())
    else:
        value = json.loads(body)
        metadata = value.get("metadata") if isinstance(value, dict) else None
    return metadata if isinstance(metadata, dict) else {}


def version_of(metadata: Metadata) -> str | None:
    """Return the resourceVersion, None where there is none, as in a dry run's new object."""
    version = metadata.get("resourceVersion")
    return version if isinstance(version, str) and version else None


def event_of(frame: bytes) -> tuple[str, bytes]:
    """Return the type of one line of a watch, and its object as it was sent.

    Raises:
        ValueError: this is no event.
    """
    frame = frame.strip()
    if (head := _EVENT.match(frame)) and frame.endswith(b"}}"):
        return head[1].decode(), frame[head.end() : -1]
    event = json.loads(frame)
    return str(event["type"]), encode_json(event["object"])
