"""The JSON Schemas that a Task may demand of its result: which are allowed, and what they cost.

The operator refuses a Task whose schema is not allowed, the API proxy a request, and the runner
checks answers. All three have one rule, which is here. Schemas come from users, and answers from
LLMs that users choose. So a check must end soon whatever they are:

- References stay inside the schema, so that nothing is loaded from files or networks.
- Regular expressions match in linear time. Their size is bounded, and so is their number.
- Schemas may refer to themselves. The steps of a check are counted before it is made: see
  ``schema_cost``. Keywords whose cost can't be counted are refused by their names.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final, cast

import jsonschema_rs

from wegent_crds.schema_cost import Counter, TooCostly
from wegent_crds.schema_errors import ERRORS_MAX_BYTES, ErrorCounter

SCHEMA_MAX_BYTES: Final = 32768
"""Size of a schema as JSON in UTF-8. Providers of LLMs take less."""
SCHEMA_MAX_DEPTH: Final = 32
"""Levels of objects and lists in a schema."""
MAX_CONTAINERS: Final = 500
"""Objects and lists in a schema. The policy wegent-output-schemas counts them too."""
MAX_PATTERNS: Final = 64
PATTERN_MAX_BYTES: Final = 1 << 18
"""Size of one compiled regular expression."""
MAX_STEPS_OF_NOTHING: Final = 2000
"""Steps of a check of an empty object: each subschema that is about the value itself."""
MESSAGE_MAX_CHARACTERS: Final = 300

ONE: Final = (
    *("additionalItems", "additionalProperties", "contains", "else", "if", "items", "not"),
    *("propertyNames", "then"),
)
"""Keywords with one subschema."""
LIST: Final = ("allOf", "anyOf", "items", "oneOf", "prefixItems")
"""Keywords with a list of subschemas; ``items`` had one in older drafts."""
MAP: Final = (
    *("$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties"),
    "properties",
)
"""Keywords with subschemas by name."""
IN_PLACE: Final = frozenset(
    {
        *("allOf", "anyOf", "dependencies", "dependentSchemas", "else", "if", "not", "oneOf"),
        "then",
    }
)
"""Keywords whose subschemas are about the same value as the schema itself."""
REFUSED: Final = frozenset(
    {
        *("$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef"),
        *("$vocabulary", "unevaluatedItems", "unevaluatedProperties"),
    }
)
"""Keywords whose effect depends on more than a subschema and a value."""

Schema = Mapping[str, Any]
Path = tuple[str | int, ...]


class SchemaNotAllowed(ValueError):  # noqa: N818 - names the verdict
    """A schema is not valid, or not allowed. The message names the place in it, and the fault."""


@dataclass(frozen=True, slots=True)
class CompiledSchema:
    """A schema that is allowed.

    Attributes:
        schema: The schema as it was given.
        validator: Checks values; it loads nothing. Call ``check_cost`` before it, and don't
            collect its errors: see ``errors``.
        places: Each subschema by its JSON pointer, such as ``#/$defs/item``.
    """

    schema: Schema
    validator: jsonschema_rs.Validator
    places: Mapping[str, Any]

    def check_cost(self, value: Any) -> None:
        """Count the steps of a check of a value.

        Raises:
            TooCostly: the check would take too many.
        """
        Counter(self.places).count(self.schema, value)

    def errors(self, value: Any) -> tuple[list[jsonschema_rs.ValidationError], bool]:
        """Return what is wrong with a value, and True if that is all.

        A valid value has no errors. Of many errors, only the first is made, as each has a copy of
        what is wrong. There is none of a value that isn't valid if even that one is too large.

        Args:
            value: JSON whose check is affordable: call ``check_cost`` before.
        """
        if self.validator.is_valid(value):
            return [], True
        counter = ErrorCounter(self.places)
        counter.bound(self.schema, value)
        if counter.all <= ERRORS_MAX_BYTES:
            return [*self.validator.iter_errors(value)], True
        if counter.first <= ERRORS_MAX_BYTES:
            try:
                self.validator.validate(value)
            except jsonschema_rs.ValidationError as error:
                return [error], False
        return [], False


def compile_schema(schema: Schema, name: str = "spec.outputSchema") -> CompiledSchema:
    """Return a schema in a form that checks values.

    Args:
        schema: The JSON Schema, of draft 2020-12 unless ``$schema`` names an older one.
        name: Its name in messages.

    Raises:
        SchemaNotAllowed: it is not valid, or not allowed.
    """
    _check_size(schema, name)
    walk = _Walk(name)
    walk.visit(schema, ())
    walk.check_references()
    try:
        validator = jsonschema_rs.validator_for(
            cast("dict[str, Any]", schema),
            offline=True,
            validate_formats=True,
            pattern_options=jsonschema_rs.RegexOptions(
                size_limit=PATTERN_MAX_BYTES, dfa_size_limit=PATTERN_MAX_BYTES
            ),
        )
    except jsonschema_rs.ValidationError as error:
        raise _of_library(name, error) from error
    except (ValueError, OverflowError, RecursionError) as error:
        raise SchemaNotAllowed(f"{name}: {_cut(str(error))}") from error
    compiled = CompiledSchema(schema, validator, walk.places)
    try:
        Counter(walk.places, MAX_STEPS_OF_NOTHING).count(schema, {})
    except TooCostly as error:
        raise SchemaNotAllowed(f"{name}: a check even of {{}} would not end: {error}") from error
    return compiled


def place(path: Path, name: str = "") -> str:
    """Return the path of a value in words: ``spec.outputSchema.anyOf[0].type``."""
    for step in path:
        name += f"[{step}]" if isinstance(step, int) else f".{step}" if name else step
    return name


def _check_size(schema: Schema, name: str) -> None:
    if not isinstance(schema, Mapping):
        raise SchemaNotAllowed(f"{name}: must be an object, which is a JSON Schema")
    level: list[Any] = [schema]
    containers = 0
    for _ in range(SCHEMA_MAX_DEPTH):
        containers += sum(isinstance(value, Mapping | list) for value in level)
        level = [item for value in level for item in _children(value)]
        if not level:
            break
    else:
        raise SchemaNotAllowed(
            f"{name}: must have at most {SCHEMA_MAX_DEPTH} levels of objects and lists; name inner"
            " schemas in $defs, and refer to them with $ref"
        )
    if containers > MAX_CONTAINERS:
        told = f"must have at most {MAX_CONTAINERS} objects and lists, and has {containers}"
        raise SchemaNotAllowed(f"{name}: {told}; name repeated schemas in $defs")
    size = len(
        json.dumps(schema, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    )
    if size > SCHEMA_MAX_BYTES:
        told = f"must have at most {SCHEMA_MAX_BYTES} bytes as JSON, and has {size}"
        raise SchemaNotAllowed(f"{name}: {told}")


def _children(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [*value.values()]
    return value if isinstance(value, list) else []


@dataclass(slots=True)
class _Walk:
    """Finds the subschemas of a schema, and refuses what is not allowed in them."""

    name: str
    places: dict[str, Any] = field(default_factory=dict)
    references: list[tuple[Path, str]] = field(default_factory=list)
    same_value: dict[str, set[str]] = field(default_factory=dict)
    """Places of the subschemas that are about the same value, by the place of their schema."""
    patterns: int = 0

    def visit(self, schema: Any, path: Path) -> None:
        here = _pointer(path)
        self.places[here] = schema
        if not isinstance(schema, Mapping):
            return  # True or False, or what the library refuses
        for keyword in schema:
            if keyword in REFUSED or (keyword == "$id" and path):
                raise _fault(self.name, (*path, keyword), "is not supported; remove it")
        same_value = self.same_value[here] = set()
        if isinstance(reference := schema.get("$ref"), str):
            self.references.append(((*path, "$ref"), reference))
            same_value.add(reference)
        self.patterns += "pattern" in schema
        if isinstance(named := schema.get("patternProperties"), Mapping):
            self.patterns += len(named)
        if self.patterns > MAX_PATTERNS:
            told = f"must have at most {MAX_PATTERNS} regular expressions"
            raise SchemaNotAllowed(f"{self.name}: {told}")
        for steps, below in _subschemas(schema):
            if steps[0] in IN_PLACE:
                same_value.add(_pointer((*path, *steps)))
            self.visit(below, (*path, *steps))

    def check_references(self) -> None:
        """Check that each reference leads to a subschema, and not back to where it came from.

        Raises:
            SchemaNotAllowed: one doesn't.
        """
        for path, target in self.references:
            if target not in self.places:
                told = "must be # or the place of a subschema, such as #/$defs/name"
                raise _fault(self.name, path, told, target)
        try:
            TopologicalSorter(self.same_value).prepare()
        except CycleError as error:
            circle = " to ".join(error.args[1])
            told = "refers to itself for the same value, so that a check would not end"
            raise SchemaNotAllowed(f"{self.name}: {told}: {_cut(circle)}") from error


def _subschemas(schema: Schema) -> Iterator[tuple[Path, Any]]:
    """Yield the subschemas of a schema, each with its path."""
    for keyword in ONE:
        if keyword in schema and not isinstance(schema[keyword], list):
            yield (keyword,), schema[keyword]
    for keyword in LIST:
        if isinstance(found := schema.get(keyword), list):
            yield from (((keyword, index), below) for index, below in enumerate(found))
    for keyword in MAP:
        if isinstance(found := schema.get(keyword), Mapping):
            yield from (
                ((keyword, key), below)
                for key, below in found.items()
                if not isinstance(below, list)  # names of properties, in older drafts
            )


def _pointer(path: Path) -> str:
    """Return a JSON pointer as ``$ref`` has it (RFC 6901)."""
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return "#" + "".join(f"/{step}" for step in steps)


def _of_library(name: str, error: jsonschema_rs.ValidationError) -> SchemaNotAllowed:
    path = tuple(error.instance_path)
    if '"regex"' in error.message and path:
        told = (
            "must be a regular expression without look-around and back-references, and small: bound"
            " a length with maxLength"
        )
        return _fault(name, path, told, path[-1] if "patternProperties" in path else error.instance)
    return SchemaNotAllowed(f"{place(path, name)}: {_cut(error.message)}")


def _fault(name: str, path: Path, told: str, found: object = None) -> SchemaNotAllowed:
    shown = "" if found is None else f", and is {_cut(json.dumps(found))}"
    return SchemaNotAllowed(f"{place(path, name)}: {told}{shown}")


def _cut(text: str) -> str:
    limit = MESSAGE_MAX_CHARACTERS
    return text if len(text) <= limit else text[: limit - 1] + "…"
