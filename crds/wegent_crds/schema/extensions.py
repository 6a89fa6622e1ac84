"""What a Kubernetes schema knows and JSON Schema does not, written beside the field.

Each marker goes into ``Annotated[...]`` and speaks for both sides: it puts the
``x-kubernetes-*`` keyword into the schema that the API server enforces, and adds
the validator that makes pydantic give the same verdict. A rule that is declared
once can't be true on one side only.

CEL is what the API server evaluates (``x-kubernetes-validations``,
https://kubernetes.io/docs/reference/using-api/cel/). Its estimated cost is bounded,
so whatever a rule walks over needs ``maxLength``, ``maxItems`` or ``maxProperties``.
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
    """One rule and its twin: ``cel`` for the API server, ``check`` for pydantic.

    On a field it is an annotation; on a whole model, an entry of ``Schema.rules``.
    """

    cel: str
    """The CEL expression; ``self`` is the value that the rule stands beside."""
    message: str
    """What whoever wrote the body reads, from either side."""
    check: Callable[[Any], bool]
    """The same in Python, over the value as pydantic has parsed it."""
    field_path: str | None = None
    """Which field below ``self`` the error points at, as CEL has it: ``.metadata.name``."""

    def enforce(self, value: T) -> T:
        """Return ``value``.

        Raises:
            PydanticCustomError: the rule refuses it; becomes part of a ``ValidationError``.
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
    """A rule over a change: ``oldSelf`` is what was, ``self`` what is to be.

    An entry of ``Schema.transitions``. The API server applies it to updates alone;
    pydantic, which sees one body at a time, never does: ``check`` is for who has both.
    """

    cel: str
    """The CEL expression, over ``self`` and ``oldSelf``."""
    message: str
    """What whoever made the change reads."""
    check: Callable[[Any, Any], bool]
    """The same in Python, over the model before and the model after."""
    field_path: str | None = None
    """Which field below ``self`` the error points at, as CEL has it: ``.phase``."""
    message_prefix: str | None = None
    """A CEL expression for what the error says before the message, about this very change."""

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
    """Return the CEL expression that these optional fields are as they were.

    Spelt out, because the API server can't estimate what ``self.?field == oldSelf.?field``
    costs, and refuses it.
    """
    return " && ".join(
        f"has(self.{field}) == has(oldSelf.{field})"
        f" && (!has(self.{field}) || self.{field} == oldSelf.{field})"
        for field in fields
    )


def keys_match(pattern: str, message: str) -> Rule:
    """Return the rule that each key of a map matches ``pattern`` (anchored, RE2, no quotes).

    A structural schema has no ``propertyNames``, so that keys are bounded by CEL.
    """
    expression = re.compile(pattern)
    return Rule(
        cel=f"self.all(key, key.matches(r'{pattern}'))",
        message=message,
        # fullmatch: Python's `$` would let a trailing newline through, RE2's does not.
        check=lambda value: all(expression.fullmatch(key) for key in value),
    )


@dataclass(frozen=True, slots=True)
class ListType:
    """How server-side apply merges a list, and what in it must be unique.

    ``atomic`` has one owner; a ``set`` holds each scalar once; in a ``map`` the
    ``keys`` tell items apart (the API server wants each key required or defaulted).
    """

    kind: Literal["atomic", "set", "map"]
    keys: tuple[str, ...] = ()
    """Attributes of the items, in a ``map``."""

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
    """Return the list type ``map`` with these keys."""
    return ListType("map", keys)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if item is not None}
    return value


NULLS_DROPPED: Final = BeforeValidator(_without_nulls)
"""On a map: a null value is no entry, as the API server prunes it. Last in ``Annotated``."""


FLOAT_EXACT_MAX: Final = 2**53 - 1
"""Above it a float need not be the integer that was meant; the API server refuses it as one."""


@dataclass(frozen=True, slots=True)
class IntegerFormat:
    """On an integer: its size, and that ``2.0`` and ``1e3`` are integers too.

    Without a format, the API server also takes 2000.0000001 for an integer.
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
    """Return what makes ``value`` the schema's default of a field with a ``default_factory``."""
    return {"default": value}


@functools.cache
def model_aliases(model: type[BaseModel]) -> frozenset[str]:
    """Return the JSON names of the model's fields."""
    return frozenset(field.alias or name for name, field in model.model_fields.items())
