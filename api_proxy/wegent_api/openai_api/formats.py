"""The format of an answer: OpenAI's ``response_format`` and ``text.format``, as a Task's schema.

The two APIs nest the same values differently::

    chat completions   {"type": "json_schema", "json_schema": {"name", "schema", "strict"}}
    responses          {"type": "json_schema", "name", "schema", "strict"}

``strict`` asks for what every Task with a schema does, and its absence allows it.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from wegent_api.openai_api.errors import invalid, unsupported
from wegent_crds.output_schema import SchemaNotAllowed, compile_schema

ANY_OBJECT: Final[Mapping[str, Any]] = {"type": "object"}
"""Schema of a ``json_object``."""
NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
TITLE: Final = "title"


def output_schema_of(value: Any, param: str) -> dict[str, Any] | None:
    """Return the ``outputSchema`` of a format; None for text.

    The format's name becomes the schema's title, if it has none.

    Args:
        value: The format as the client sent it; None for text.
        param: Its name, for refusals: ``response_format`` or ``text.format``.

    Raises:
        Refusal: it is another kind of format, or its schema is not allowed.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise invalid(param, "must be an object")
    match value.get("type", "text"):
        case "text":
            return None
        case "json_object":
            return dict(ANY_OBJECT)
        case "json_schema" if "json_schema" in value:
            return _schema(value["json_schema"], f"{param}.json_schema")
        case "json_schema":
            return _schema(value, param)
        case _:
            raise unsupported(param, "must be of type text, json_object or json_schema")


def format_of(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the ``text.format`` of a response, given the Task's ``outputSchema``."""
    if schema is None:
        return {"type": "text"}
    if schema == ANY_OBJECT:
        return {"type": "json_object"}
    title = schema.get(TITLE)
    name = title if isinstance(title, str) and NAME.fullmatch(title) else "result"
    return {
        "type": "json_schema",
        "name": name,
        "description": None,
        "schema": dict(schema),
        "strict": True,
    }


def _schema(holder: Any, param: str) -> dict[str, Any]:
    if not isinstance(holder, Mapping):
        raise invalid(param, "must be an object")
    name, schema = holder.get("name"), holder.get("schema")
    if name is not None and not (isinstance(name, str) and NAME.fullmatch(name)):
        raise invalid(f"{param}.name", "must have 1 to 64 letters, digits, underscores and dashes")
    if not isinstance(schema, Mapping):
        raise invalid(f"{param}.schema", "must be an object, which is a JSON Schema")
    named = {TITLE: name, **schema} if name else dict(schema)
    try:
        compile_schema(named, f"{param}.schema")
    except SchemaNotAllowed as error:
        place, _, told = str(error).partition(": ")
        raise invalid(place, told) from error
    return named
