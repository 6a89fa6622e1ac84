"""Typed objects to JSON and back, without the loss of a field.

A server may be newer than the models. Its unknown fields are kept in ``model_extra`` of the models,
and sent back.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from wegent_crds.registry import API_VERSION, BY_KIND, Kind
from wegent_crds.schema.custom_resource import CustomResource
from wegent_sdk.errors import Malformed, Unreadable

K = TypeVar("K", bound=CustomResource)

WRITTEN = ("apiVersion", "kind", "metadata", "spec")
"""The fields that a request has. The API server alone writes the status."""


def kind_of(model: type[CustomResource]) -> Kind:
    """Return the row of the table of kinds for a model."""
    return BY_KIND[model.__name__]


def read(model: type[K], body: Mapping[str, Any]) -> K:
    """Return an object of a server as a model.

    Raises:
        Unreadable: the model of this version can't read it.
    """
    try:
        return model.model_validate(dict(body), extra="allow")
    except ValidationError as error:
        metadata = body.get("metadata")
        named = metadata if isinstance(metadata, dict) else {}
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise Unreadable(
            f"{model.__name__} {named.get('namespace')}/{named.get('name')} can't be read by this"
            f" version of the SDK: {place}: {first['msg']}; read it with client.raw, or upgrade"
        ) from error


def body_of(item: CustomResource | Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON of an object for a request: without its status and its unset fields.

    Raises:
        Malformed: a mapping is no object of Wegent's kinds.
    """
    if isinstance(item, CustomResource):
        whole = with_extra(item, item.model_dump(mode="json", by_alias=True, exclude_unset=True))
    else:
        whole = dict(item)
        if whole.get("apiVersion") != API_VERSION or whole.get("kind") not in BY_KIND:
            raise Malformed(
                f"apiVersion and kind of an object must be {API_VERSION} and one of"
                f" {', '.join(BY_KIND)}"
            )
    return {field: whole[field] for field in WRITTEN if field in whole}


def with_extra(item: Any, dumped: Any) -> Any:
    """Return the JSON of a model with the unknown fields that ``model_dump`` leaves out."""
    if isinstance(item, BaseModel):
        known = {
            field.serialization_alias or field.alias or name: getattr(item, name)
            for name, field in type(item).model_fields.items()
        }
        kept = {key: with_extra(known[key], value) for key, value in dumped.items() if key in known}
        return {**kept, **(item.model_extra or {})}
    if isinstance(item, list | tuple) and isinstance(dumped, list):
        return [with_extra(one, its) for one, its in zip(item, dumped, strict=True)]
    if isinstance(item, dict) and isinstance(dumped, dict):
        return {key: with_extra(item[key], value) for key, value in dumped.items()}
    return dumped


def encoded(body: Any) -> bytes:
    """Return JSON in UTF-8."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which is no character
        return json.dumps(body, separators=(",", ":")).encode()


def name_of(body: Mapping[str, Any]) -> str:
    """Return the name of an object."""
    return str(body["metadata"]["name"])


def namespace_of(body: Mapping[str, Any]) -> str | None:
    """Return the namespace that an object names; None if it names none."""
    metadata = body.get("metadata")
    found = metadata.get("namespace") if isinstance(metadata, Mapping) else None
    return found if isinstance(found, str) and found else None
