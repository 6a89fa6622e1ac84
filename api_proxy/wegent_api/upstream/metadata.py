"""Reads the metadata of an object of the API server without decoding the rest.

The API server writes the keys of a custom resource in alphabetical order: ``apiVersion``, ``kind``,
``metadata``, ``spec``, ``status``. In a text that begins with these keys, the next value is the
object's own metadata, and never text that a user has put into an annotation or a prompt. Any other
text is decoded as a whole.
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
    """Return the ``metadata`` of an object, empty if it has none.

    Raises:
        ValueError: the body is not JSON.
    """
    if head := _HEAD.match(body):  # ASCII: as many characters as bytes
        metadata, _ = _DECODER.raw_decode(body.decode("utf-8"), head.end())
    else:
        value = json.loads(body)
        metadata = value.get("metadata") if isinstance(value, dict) else None
    return metadata if isinstance(metadata, dict) else {}


def version_of(metadata: Metadata) -> str | None:
    """Return the resourceVersion, or None if there is none, as in a dry run's new object."""
    version = metadata.get("resourceVersion")
    return version if isinstance(version, str) and version else None


def event_of(frame: bytes) -> tuple[str, bytes]:
    """Return the type of one line of a watch and its object, undecoded.

    Raises:
        ValueError: the line is not an event.
    """
    frame = frame.strip()
    if (head := _EVENT.match(frame)) and frame.endswith(b"}}"):
        return head[1].decode(), frame[head.end() : -1]
    event = json.loads(frame)
    return str(event["type"]), encode_json(event["object"])
