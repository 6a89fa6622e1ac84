"""Parts of the OpenAPI document that routes declare and FastAPI doesn't find itself.

The schemas that they refer to are added when ``document`` builds the whole document.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from wegent_kube.content_types import JSON

Responses = dict[int | str, dict[str, Any]]

SCHEMAS: Final = "#/components/schemas/"

MEANINGS: Final = {
    400: "The request is malformed; the message has the details.",
    401: "The token is missing, or the API server does not accept it.",
    403: "The caller does not have permission.",
    404: "The object does not exist.",
    408: "The body did not arrive in time.",
    409: "The name is in use, or the object has been modified.",
    410: "The continue token has expired; restart the list.",
    412: "The object does not match the request's preconditions.",
    413: "The body is too large.",
    415: "The body's media type is not supported.",
    422: "The body has invalid fields; details.causes has one cause for each.",
    426: "The request does not ask for a WebSocket.",
    429: "Too many requests; Retry-After has the time to wait in seconds.",
    502: "The answer did not come from the API server.",
    503: "The API server is not reachable or not set up yet; try again.",
}

PENDING: Final[Responses] = {
    202: {
        "description": "The operation is in progress; Wegent's operator completes it.",
        "content": {JSON: {"schema": {"$ref": f"{SCHEMAS}PendingStatus"}}},
    }
}


def statuses(*codes: int) -> Responses:
    """Return the ``responses`` for these error codes, each with a ``Status``."""
    return {code: response(MEANINGS[code], "ErrorStatus") for code in codes}


def request_body(model: type[BaseModel], example: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``openapi_extra`` of a route that takes a ``model``."""
    return request(model.__name__, example)


def json_content(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``content`` of a JSON answer with that schema."""
    return {JSON: {"schema": dict(schema)}}


def response(description: str, schema: str) -> dict[str, Any]:
    """Return one of the ``responses``: JSON with a schema of the document."""
    return {
        "description": description,
        "content": {JSON: {"schema": {"$ref": SCHEMAS + schema}}},
    }


def request(schema: str, example: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``openapi_extra`` of a route that takes JSON with a schema of the document."""
    content = {JSON: {"schema": {"$ref": SCHEMAS + schema}, "example": dict(example)}}
    return {"requestBody": {"required": True, "content": content}}
