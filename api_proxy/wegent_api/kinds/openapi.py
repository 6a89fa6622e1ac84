"""What the OpenAPI document says of the routes of kinds: answers, bodies, and headers."""

from collections.abc import Mapping
from typing import Any, Final

from wegent_api.document.schema import SCHEMAS, kind_response, statuses
from wegent_api.http.error_responses import JSON
from wegent_api.http.patches import ACCEPT_PATCH
from wegent_api.http.preconditions import IF_MATCH, IF_NONE_MATCH, MAX_HEADER_CHARS
from wegent_api.http.sse import MEDIA_TYPE
from wegent_api.kinds.watch import LAST_EVENT_ID
from wegent_crds.registry import Kind
from wegent_kube.content_types import APPLY_PATCH, JSON_PATCH, MERGE_PATCH

Responses = dict[int | str, dict[str, Any]]

ALWAYS: Final = (400, 401, 403, 429, 502, 503)
"""What any request that reaches the API server may be answered."""
WITH_A_BODY: Final = (404, 408, 409, 413, 415, 422)
"""What a write may be answered besides."""

_TAGS: Final = r'^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$'
_ETAG: Final = {
    "ETag": {
        "description": f"The object's version, for `{IF_MATCH}` and `{IF_NONE_MATCH}`.",
        "schema": {"type": "string"},
    }
}


def errors(*codes: int) -> Responses:
    """Return the ``responses`` of the ways in which a request may fail."""
    return statuses(*sorted({*ALWAYS, *codes}))


def one_object(kind: Kind, *codes: int) -> Responses:
    """Return the ``responses`` of a route that answers one object with its ``ETag``."""
    return {
        code: {**response, "headers": _ETAG}
        for status in codes
        for code, response in kind_response(kind, status).items()
    }


NOT_MODIFIED: Final[Responses] = {
    304: {"description": f"It is what `{IF_NONE_MATCH}` names.", "headers": _ETAG}
}


PENDING: Final[Responses] = {
    202: {
        "description": "It is under way, and waits for Wegent's operator.",
        "content": {JSON: {"schema": {"$ref": f"{SCHEMAS}PendingStatus"}}},
    }
}


def conditions(*headers: str) -> dict[str, Any]:
    """Return the ``openapi_extra`` of a route that takes these headers."""
    described = {
        IF_MATCH: "Only if the object has one of these versions, as `ETag` has them; `*`: any.",
        IF_NONE_MATCH: "Only if the object has none of these versions; `*`: if it isn't there.",
    }
    return {
        "parameters": [
            {
                "name": header,
                "in": "header",
                "description": described[header],
                "schema": {"type": "string", "pattern": _TAGS, "maxLength": MAX_HEADER_CHARS},
            }
            for header in headers
        ]
    }


def followed(responses: Responses) -> Responses:
    """Return the ``responses`` of a list with that of a list that is followed."""
    stream = {
        MEDIA_TYPE: {
            "schema": {"type": "string", "description": "Server-Sent Events."},
            "example": 'event: ADDED\nid: 4711\ndata: {"apiVersion": "agent.wecode.io/v1"}\n\n',
        }
    }
    listed = responses[200]
    return {**responses, 200: {**listed, "content": {**listed["content"], **stream}}}


def resuming() -> dict[str, Any]:
    """Return the ``openapi_extra`` of a route that goes on from where a client was."""
    return {
        "parameters": [
            {
                "name": LAST_EVENT_ID,
                "in": "header",
                "description": "With `watch`: go on from this event. It goes before the parameter.",
                "schema": {"type": "string", "pattern": "^[0-9]*$", "maxLength": 20},
            }
        ]
    }


def patch_body(kind: Kind, example: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``openapi_extra`` of a route that takes patches.

    A JSON patch has an example and no schema. With a schema that is a list, beside others, the
    functions that openapi-python-client makes fail on every patch: ``isinstance(body, list[...])``.
    """
    first, value = next(iter(example["spec"].items()))
    partial = {"type": "object"}
    operations = [{"op": "replace", "path": f"/spec/{first}", "value": value}]
    return {
        "requestBody": {
            "required": True,
            "content": {
                MERGE_PATCH: {"schema": partial, "example": {"spec": {first: value}}},
                APPLY_PATCH: {
                    "schema": {"$ref": f"{SCHEMAS}{kind.kind}Body"},
                    "example": dict(example),
                },
                JSON_PATCH: {"example": operations},
            },
        }
    }


def accept_patch(responses: Responses) -> Responses:
    """Return ``responses`` with the header of a 415 that says which types are taken."""
    header = {"description": f"`{ACCEPT_PATCH}`", "schema": {"type": "string"}}
    return {**responses, 415: {**responses[415], "headers": {"Accept-Patch": header}}}


def json_content(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``content`` of an answer in JSON."""
    return {JSON: {"schema": dict(schema)}}
