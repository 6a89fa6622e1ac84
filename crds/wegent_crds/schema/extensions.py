"""Kubernetes' extensions of JSON Schema, as annotations of a field.

An extension in ``Annotated[...]`` has two effects. It adds the ``x-kubernetes-*`` keyword
to the schema that the API server enforces, and it adds a validator with the same result
to pydantic. One declaration keeps both sides equal.

The API server evaluates rules in CEL (``x-kubernetes-validations``,
https://kubernetes.io/docs/reference/using-api/cel/) and bounds their estimated cost.
Every value that a rule iterates over needs ``maxLength``, ``maxItems`` or ``maxProperties``.
"""

import functools
import json
import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

VALIDATIONS: Final = "x-kubernetes-validations"
LIST_TYPE: Final = "x-kubernetes-list-type"
LIST_MAP_KEYS: Final = "x-kubernetes-list-map-keys"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rule:
    """A validation rule in two forms: ``cel`` for the API server, ``check`` for pydantic.

    A rule of a field is an annotation; a rule of a whole model is an entry of ``Schema.rules``.
    """

    cel: str
    """The CEL expression; ``self`` is the annotated value."""
    message: str
    """The error message for the author of the body, the same from both sides."""
    check: Callable[[Any], bool]
    """The same rule in Python, over the value as pydantic has parsed it."""
    field_path: str | None = None
    """Path of the field in the error, relative to ``self``: ``.metadata.name``."""

    def enforce(self, value: T) -> T:
        """Return ``value``.

        Raises:
            PydanticCustomError: the rule rejects it; pydantic turns it into a ``ValidationError``.
        """
        if not self.check(value):
            raise PydanticCustomError("rule", "{message}", {"message": self.message})
        return value

    def keyword(self) -> dict[str, str]:
        """Return the rule as one item of ``x-kubernetes-validations``."""
        return _keyword(self.cel, self.message, self.field_path)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.enforce, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        json_schema = handler(schema)
        json_schema[VALIDATIONS] = [*json_schema.get(VALIDATIONS, []), self.keyword()]
        return json_schema


@dataclass(frozen=True, slots=True)
class Transition:
    """A rule over an update: ``oldSelf`` is the stored object, ``self`` the new one.

    An entry of ``Schema.transitions``. Only the API server applies it. Pydantic validates a
    single body; a caller that has both objects can call ``check``.
    """

    cel: str
    """The CEL expression, over ``self`` and ``oldSelf``."""
    message: str
    """The error message for the author of the change."""
    check: Callable[[Any, Any], bool]
    """The same rule in Python, over the model before and the model after."""
    field_path: str | None = None
    """Path of the field in the error, relative to ``self``: ``.phase``."""
    message_prefix: str | None = None
    """A CEL expression for text before the message that names the values of this change."""

    def keyword(self) -> dict[str, str]:
        """Return the rule as one item of ``x-kubernetes-validations``."""
        keyword = _keyword(self.cel, self.message, self.field_path)
        if self.message_prefix:
            keyword["messageExpression"] = (
                f"{self.message_prefix} + {json.dumps(f'; {self.message}')}"
            )
        return keyword


def _keyword(cel: str, message: str, field_path: str | None) -> dict[str, str]:
    keyword = {"rule": cel, "message": message}
    return keyword | ({"fieldPath": field_path} if field_path else {})


def unchanged(*fields: str) -> str:
    """Return a CEL expression that is true if none of these optional fields has changed.

    The shorter ``self.?field == oldSelf.?field`` is rejected, because the API server can't
    estimate its cost.
    """
    return " && ".join(
        f"has(self.{field}) == has(oldSelf.{field})"
        f" && (!has(self.{field}) || self.{field} == oldSelf.{field})"
        for field in fields
    )


def keys_match(pattern: str, message: str) -> Rule:
    """Return a rule that requires each key of a map to match ``pattern``.

    A structural schema has no ``propertyNames``, so CEL validates the keys. The pattern is
    anchored, in RE2 syntax, and contains no quotes.
    """
    expression = re.compile(pattern)
    return Rule(
        cel=f"self.all(key, key.matches(r'{pattern}'))",
        message=message,
        # fullmatch: Python's `$` also matches before a trailing newline, RE2's does not.
        check=lambda value: all(expression.fullmatch(key) for key in value),
    )


@dataclass(frozen=True, slots=True)
class ListType:
    """The merge strategy of a list under server-side apply, and the uniqueness of its items.

    An ``atomic`` list has one owner. A ``set`` contains each scalar once. A ``map`` identifies
    its items by ``keys``, each of which must be required or have a default.
    """

    kind: Literal["atomic", "set", "map"]
    keys: tuple[str, ...] = ()
    """Attributes that identify the items of a ``map``."""

    def _enforce(self, items: list[T]) -> list[T]:
        seen: set[Hashable] = set()
        for index, item in enumerate(items):
            identity = self._identity(item)
            if identity in seen:
                raise PydanticCustomError(
                    "duplicate", "Duplicate value in item {index}", {"index": index}
                )
            seen.add(identity)
        return items

    def _identity(self, item: Any) -> Hashable:
        return tuple(getattr(item, key) for key in self.keys) if self.keys else item

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        schema = handler(source)
        if self.kind == "atomic":
            return schema
        return core_schema.no_info_after_validator_function(self._enforce, schema)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        json_schema = handler(schema)
        json_schema[LIST_TYPE] = self.kind
        if self.keys:
            json_schema[LIST_MAP_KEYS] = [to_camel(key) for key in self.keys]
        return json_schema


ATOMIC: Final = ListType("atomic")
SET: Final = ListType("set")


def map_by(*keys: str) -> ListType:
    """Return the list type ``map`` whose items are identified by ``keys``."""
    return ListType("map", keys)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if item is not None}
    return value


NULLS_DROPPED: Final = BeforeValidator(_without_nulls)
"""Drops the null values of a map, as the API server prunes them. Put it last in ``Annotated``."""


FLOAT_EXACT_MAX: Final = 2**53 - 1
"""The largest integer that every float below it represents exactly. The API server rejects larger
floats as integers."""


@dataclass(frozen=True, slots=True)
class IntegerFormat:
    """The size of an integer. ``2.0`` and ``1e3`` are integers too.

    Without a format, the API server also accepts 2000.0000001 as an integer.
    """

    bits: Literal[32, 64]

    def _parse(self, value: Any) -> Any:
        if isinstance(value, float) and value.is_integer() and abs(value) <= FLOAT_EXACT_MAX:
            return int(value)
        return value

    def _enforce(self, value: int) -> int:
        limit = 2 ** (self.bits - 1)
        if not -limit <= value < limit:
            raise PydanticCustomError("int_size", "must fit {bits} bits", {"bits": self.bits})
        return value

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        schema = core_schema.no_info_after_validator_function(self._enforce, handler(source))
        return core_schema.no_info_before_validator_function(self._parse, schema)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(schema) | {"format": f"int{self.bits}"}


INT32: Final = IntegerFormat(32)
INT64: Final = IntegerFormat(64)


def defaulted(value: Any) -> dict[str, Any]:
    """Return the schema keyword that makes ``value`` the default of a field.

    A field with a ``default_factory`` has no default in pydantic's schema otherwise.
    """
    return {"default": value}


@functools.cache
def model_aliases(model: type[BaseModel]) -> frozenset[str]:
    """Return the JSON names of the model's fields."""
    return frozenset(field.alias or name for name, field in model.model_fields.items())
