"""Answers of the API server as responses with an ``ETag``."""

from fastapi import Response

from wegent_api.http.preconditions import EntityTags, entity_tag
from wegent_api.upstream.client import Answer
from wegent_api.upstream.metadata import metadata_of, version_of


def tagged(answer: Answer, *, stored: bool = True) -> Response:
    """Return an object with its ``ETag``. The result of a dry run has none."""
    version = version_of(metadata_of(answer.body)) if stored else None
    return answer.response({"ETag": entity_tag(version)} if version else {})


def or_not_modified(answer: Answer, known: EntityTags | None) -> Response:
    """Return an object with its ``ETag``, or 304 if ``If-None-Match`` names its version."""
    if known is None:
        return tagged(answer)
    version = version_of(metadata_of(answer.body))
    if version is None or not known.name(version):
        return tagged(answer)
    return Response(status_code=304, headers={**answer.headers, "ETag": entity_tag(version)})
