"""Media types of requests and answers, and the parser of ``Content-Type`` headers."""

from dataclasses import dataclass
from email.message import Message
from functools import lru_cache
from typing import Final

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"
METADATA_LIST: Final = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""Accept header of a list without specs and statuses."""
METADATA_OBJECT: Final = f"{JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""Accept header of an object without spec and status, also in the answer to a patch."""

MAX_CONTENT_TYPE_CHARS: Final = 256
"""Limit for a media type with its parameters. Python's parser takes quadratic time for them."""


@dataclass(frozen=True, slots=True)
class ContentType:
    """The content of a ``Content-Type`` header, in lower case."""

    media_type: str
    """Type and subtype, without parameters; ``text/plain`` if there is none that is valid."""
    charset: str
    """UTF-8 unless the header names another."""


@lru_cache(maxsize=64)
def parse_content_type(header: str) -> ContentType:
    """Return the content of a ``Content-Type`` header; one that is too long counts as empty."""
    message = Message()
    message["content-type"] = header if len(header) <= MAX_CONTENT_TYPE_CHARS else ""
    return ContentType(message.get_content_type(), message.get_content_charset("utf-8"))
