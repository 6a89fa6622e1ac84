"""What the OpenAPI document says of the routes of kinds: answers, bodies, and headers."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from wegent_api.http.openapi import SCHEMAS, Responses, request, response, statuses
from wegent_api.http.patches import ACCEPT_PATCH
from wegent_api.http.preconditions import IF_MATCH, IF_NONE_MATCH, MAX_HEADER_CHARS
from wegent_api.http.sse import MEDIA_TYPE
from wegent_api.kinds.watch import LAST_EVENT_ID
from wegent_crds.models import MODELS
from wegent_crds.registry import API_VERSION, KINDS, TOMBSTONE, Kind
from wegent_kube.content_types import APPLY_PATCH, JSON_PATCH, MERGE_PATCH

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


def kind_response(kind: Kind, code: int) -> Responses:
    """Return the ``responses`` of a route that answers one object."""
    return {code: response(f"The {kind.kind}, as it is stored.", kind.kind)}


def kind_list_response(kind: Kind) -> Responses:
    """Return the ``responses`` of a route that answers a list."""
    return {200: response(f"A Kubernetes list of {kind.kind}s.", f"{kind.kind}List")}


def kind_body(kind: Kind, example: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``openapi_extra`` of a route that takes an object."""
    return request(f"{kind.kind}Body", example)


DOCUMENTED: Final = tuple(kind for kind in KINDS if kind.user_facing or kind is TOMBSTONE)
"""The kinds whose schemas the document has."""


def models() -> list[type[BaseModel]]:
    """Return the models of the kinds' schemas, which are those of the CRDs."""
    return [MODELS[kind.plural] for kind in DOCUMENTED]


def derived_schemas(schemas: Mapping[str, Any]) -> dict[str, Any]:
    """Return, by name, the schemas of lists and bodies, which are made of the objects' own."""
    derived: dict[str, Any] = {}
    for kind in DOCUMENTED:
        derived[f"{kind.kind}List"] = _list_schema(kind)
        if kind is not TOMBSTONE:
            derived[f"{kind.kind}Body"] = _body_schema(kind, schemas[kind.kind])
    return derived


def _body_schema(kind: Kind, stored: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **stored,
        "title": f"{kind.kind}Body",
        "required": [name for name in stored["required"] if name in {"metadata", "spec"}],
    }


def _list_schema(kind: Kind) -> dict[str, Any]:
    return {
        "title": f"{kind.kind}List",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "items"],
        "properties": {
            "apiVersion": {"const": API_VERSION},
            "kind": {"const": f"{kind.kind}List"},
            "metadata": {
                "type": "object",
                "properties": {
                    "resourceVersion": {"type": "string"},
                    "continue": {"type": "string", "description": "Set where there is more."},
                    "remainingItemCount": {"type": "integer"},
                },
            },
            "items": {"type": "array", "items": {"$ref": SCHEMAS + kind.kind}},
        },
    }
