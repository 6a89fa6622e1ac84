"""The part of the OpenAPI document for OpenAI's routes. Their bodies are described by OpenAI."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from wegent_api.http.openapi import MEANINGS, SCHEMAS, Responses
from wegent_api.http.sse import MEDIA_TYPE
from wegent_kube.content_types import JSON

ALWAYS: Final = (401, 403, 500, 502, 503)
_TEXT: Final = {"type": "string"}
_LIST: Final = {
    "type": "object",
    "required": ["object", "data"],
    "properties": {
        "object": {"const": "list"},
        "data": {"type": "array", "items": {"type": "object"}},
    },
}
ERROR: Final[Mapping[str, Any]] = {
    "title": "OpenAIError",
    "description": "Error in OpenAI's form.",
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": _TEXT,
                "type": _TEXT,
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}


def _object(kind: str, **properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["id", "object"],
        "properties": {"id": _TEXT, "object": {"const": kind}, **properties},
    }


ANSWERS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "Response": (
        "A response, as OpenAI's Responses API describes it.",
        _object(
            "response",
            status=_TEXT,
            model=_TEXT,
            output={"type": "array", "items": {"type": "object"}},
        ),
    ),
    "Deleted": ("The response is deleted.", _object("response", deleted={"type": "boolean"})),
    "ItemList": ("The messages.", _LIST),
    "ChatCompletion": (
        "A chat completion, as OpenAI describes it.",
        _object("chat.completion", choices={"type": "array", "items": {"type": "object"}}),
    ),
    "Model": (
        "A Team as a model.",
        _object("model", created={"type": "integer"}, owned_by=_TEXT),
    ),
    "ModelList": ("The Teams that the caller may list, as models.", _LIST),
}


def documented(answer: str, *codes: int) -> Responses:
    """Return the ``responses`` of a route with one of ``ANSWERS``, and these errors."""
    description, schema = ANSWERS[answer]
    errors: Responses = {
        code: {
            "description": MEANINGS.get(code, "The run failed."),
            "content": {JSON: {"schema": dict(ERROR)}},
        }
        for code in sorted({*ALWAYS, *codes})
    }
    return {
        200: {"description": description, "content": {JSON: {"schema": dict(schema)}}},
        **errors,
    }


def with_events(responses: Responses) -> Responses:
    """Return ``responses`` whose 200 may be a stream of events."""
    stream = {MEDIA_TYPE: {"schema": {"type": "string", "description": "Server-Sent Events."}}}
    answer = responses[200]
    return {**responses, 200: {**answer, "content": {**answer["content"], **stream}}}


def json_body(model: type[BaseModel], example: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``openapi_extra`` of a route that takes a ``model``."""
    content = {JSON: {"schema": {"$ref": SCHEMAS + model.__name__}, "example": dict(example)}}
    return {"requestBody": {"required": True, "content": content}}
