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
    400: "The request can't be understood; the message says where.",
    401: "No token, or one that the API server does not take.",
    403: "The caller may not do this.",
    404: "There is no such object.",
    408: "The body did not arrive in time.",
    409: "The name is taken, or the object has changed.",
    410: "The continue token is too old; begin again.",
    412: "The object is another than the request's conditions want.",
    413: "The body is too long.",
    415: "The body is of another type than those that are taken.",
    422: "Something in the body can't be; a cause for each field.",
    429: "Too many attempts; Retry-After says how long to wait.",
    502: "What answered in the API server's place wasn't it.",
    503: "The API server can't be reached, or is not set up yet; worth another try.",
}

PENDING: Final[Responses] = {
    202: {
        "description": "It is under way, and waits for Wegent's operator.",
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
