"""`POST /api/v1/apply` in the OpenAPI document."""

from typing import Any, Final

from wegent_api.http.examples import APPLIED
from wegent_api.http.openapi import SCHEMAS, Responses, json_content, statuses
from wegent_api.http.yaml import YAML
from wegent_kube.content_types import JSON

_RESULTS: Final = json_content({"$ref": f"{SCHEMAS}ApplyResults"})

_ONE: Final = "One object, or a `List` of them"
_EXAMPLE: Final = {"apiVersion": "v1", "kind": "List", "items": list(APPLIED)}

RESPONSES: Final[Responses] = {
    200: {"description": "All objects were applied.", "content": _RESULTS},
    207: {
        "description": "Some objects failed; the `status` of each has the reason.",
        "content": _RESULTS,
    },
    **statuses(400, 401, 408, 413, 415, 422, 429, 502, 503),
}

BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            YAML: {
                # Swagger UI makes YAML from an object's schema, but can't do so from several
                # documents.
                "schema": {
                    "type": "object",
                    "description": f"{_ONE}, or several documents of these.",
                },
                "example": _EXAMPLE,
            },
            JSON: {
                "schema": {"type": "object", "description": f"{_ONE}, or an array of these."},
                "example": _EXAMPLE,
            },
        },
    }
}
