"""What the OpenAPI document says of `POST /api/v1/apply`."""

from typing import Any, Final

import yaml

from wegent_api.examples import APPLIED
from wegent_api.openapi import SCHEMAS, statuses
from wegent_api.openapi_kinds import Responses, json_content
from wegent_api.statuses import JSON
from wegent_api.yaml_reader import YAML

_RESULTS: Final = json_content({"$ref": f"{SCHEMAS}ApplyResults"})

RESPONSES: Final[Responses] = {
    200: {"description": "All are as they are to be.", "content": _RESULTS},
    207: {"description": "Some failed; their `status` says why.", "content": _RESULTS},
    **statuses(400, 401, 408, 413, 415, 422, 429, 502, 503),
}

BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            YAML: {
                "schema": {"type": "string", "description": "YAML documents, each an object."},
                "example": yaml.safe_dump_all(APPLIED, sort_keys=False),
            },
            JSON: {
                "schema": {"type": "object", "description": "One object, or a `List` of them."},
                "example": {"apiVersion": "v1", "kind": "List", "items": list(APPLIED)},
            },
        },
    }
}
