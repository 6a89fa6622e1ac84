"""The three patch types, and how a patch of each requires one version of the object."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, Final

from fastapi import Depends, Request

from wegent_api.http import json_patches
from wegent_api.http.bearer import CallerDep
from wegent_api.http.bodies import BodyReaderDep, declared_type, parse
from wegent_api.http.errors import (
    MAX_CAUSES,
    BadRequest,
    Cause,
    Invalid,
    UnsupportedMediaType,
    UpstreamStatus,
)
from wegent_api.http.yaml import documents_of
from wegent_kube.content_types import APPLY_PATCH, JSON_PATCH, MERGE_PATCH
from wegent_kube.encoding import encode_json

PATCH_TYPES: Final = (MERGE_PATCH, JSON_PATCH, APPLY_PATCH)
ACCEPT_PATCH: Final = ", ".join(PATCH_TYPES)
"""Value of ``Accept-Patch`` (RFC 5789, section 3.1), which lists the accepted types."""

_QUOTED_OBJECT: Final = re.compile(r'Invalid value: "[^"\\]*(?:\\.[^"\\]*)*": (.+)', re.DOTALL)
"""The API server's message for an invalid object: it quotes the whole result before the cause."""


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch, as bytes and decoded."""

    content_type: str
    raw: bytes
    value: Any

    @property
    def applies(self) -> bool:
        """True if the patch is a manifest for server-side apply."""
        return self.content_type == APPLY_PATCH

    @property
    def object(self) -> Mapping[str, Any]:
        """The fields of the object in the patch, or empty for a list of operations."""
        return self.value if isinstance(self.value, dict) else {}

    def tied_to(self, version: str | None) -> bytes:
        """Return the body that changes this version of the object and no other.

        A merge patch gets the version in its metadata, and the API server compares it. A JSON patch
        gets a test of the version as its first operation. Without a version, the body stays
        unchanged.

        Raises:
            BadRequest: the patch names another version itself.
        """
        if version is None:
            return self.raw
        if isinstance(self.value, list):
            test = {"op": "test", "path": "/metadata/resourceVersion", "value": version}
            return encode_json([test, *self.value])
        return encode_json(with_metadata(self.value, resourceVersion=version))


async def read_patch(request: Request, _: CallerDep, reader: BodyReaderDep) -> Patch:
    """Return the body of a PATCH. FastAPI dependency.

    Raises:
        UnsupportedMediaType: the body has none of the three types.
        BadRequest: the body is not valid for its type.
    """
    content_type = declared_type(request).media_type
    encoding = request.headers.get("content-encoding", "identity").lower()
    if content_type not in PATCH_TYPES or encoding != "identity":
        message = f"the Content-Type must be one of {ACCEPT_PATCH}, uncompressed"
        raise UnsupportedMediaType(message, headers={"Accept-Patch": ACCEPT_PATCH})
    raw = await reader.read(request)
    value = await reader.parse(raw, _one_document if content_type == APPLY_PATCH else parse)
    if not isinstance(value, list if content_type == JSON_PATCH else dict):
        what = "a JSON array of operations" if content_type == JSON_PATCH else "an object"
        raise BadRequest(f"the body must be {what}")
    if isinstance(value, list) and (
        causes := list(islice(json_patches.operation_errors(value), MAX_CAUSES + 1))
    ):
        raise BadRequest.of(causes)
    return Patch(content_type, raw, value)


PatchDep = Annotated[Patch, Depends(read_patch)]
"""Parameter type of a route that takes a patch."""


def with_metadata(body: Mapping[str, Any], **fields: str) -> dict[str, Any]:
    """Return ``body`` with these fields in its metadata, which may have the same values already.

    Raises:
        BadRequest: the metadata has other values, or is not an object.
    """
    metadata = body.get("metadata", {})
    if not isinstance(metadata, Mapping):
        raise BadRequest.of([Cause("FieldValueInvalid", "metadata", "must be an object")])
    causes = [
        Cause("FieldValueInvalid", f"metadata.{field}", f"must be {value}, as in the request")
        for field, value in fields.items()
        if metadata.get(field) not in (None, "", value)
    ]
    if causes:
        raise BadRequest.of(causes)
    return {**body, "metadata": {**metadata, **fields}}


def without_quoted_object(refused: UpstreamStatus) -> UpstreamStatus | Invalid:
    """Return a refusal without the whole object that the API server quotes in it."""
    found = [
        _QUOTED_OBJECT.fullmatch(str(cause.get("message")))
        for cause in refused.status_causes
        if cause.get("field") == "patch"
    ]
    if not refused.is_invalid or not found or not all(found):
        return refused
    shorter = [Cause("FieldValueInvalid", "patch", match[1]) for match in found if match]
    return Invalid.of(shorter)


def _one_document(raw: bytes) -> Any:
    if raw.lstrip().startswith(b"{"):  # JSON's surrogate pairs aren't YAML
        with suppress(BadRequest):
            return parse(raw)
    documents = documents_of(raw)
    if len(documents) != 1:
        raise BadRequest("the body must be one document; use POST /api/v1/apply for several")
    return documents[0]
