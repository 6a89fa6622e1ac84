"""The cost of a check of a value by a JSON Schema, counted before the check is made.

A few nested references multiply: thirty definitions that each refer twice to the next make a
billion steps. The library has no limit of its own. So the steps are counted first, by a walk that
takes every branch that the check may take. It ends at the limit.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

MAX_STEPS: Final = 100_000
"""Steps of one check: a subschema on a value, or a regular expression on a character. Counting one
takes 2 microseconds, and the costliest expression that is allowed some 15 for a character."""
COMPARISONS_OF_A_STEP: Final = 8
"""Names that are looked up in an object, or values that are compared: each takes up to 0.3
microseconds. A list of 250 countries in ``enum`` stays affordable for 3000 values."""
MAX_CHAIN: Final = 300
"""Subschemas that lead from one to the next in a check, by references, nesting and the value."""

Schema = Mapping[str, Any]


class TooCostly(ValueError):  # noqa: N818 - names the verdict
    """A check of a value would take too many steps."""


@dataclass(slots=True)
class Counter:
    """Counts the steps of a check.

    Args:
        places: each subschema by its JSON pointer, such as ``#/$defs/item``.
        max_steps: the steps at which the walk ends.
    """

    places: Mapping[str, Any]
    max_steps: int = MAX_STEPS
    steps: int = 0
    _nodes: dict[int, int] = field(default_factory=dict)
    """Values in an object or list of the schema or the value, by its ``id``."""

    def count(self, schema: Any, value: Any, chain: int = 0, *, nested: bool = False) -> None:
        """Count the steps of a check of ``value`` by ``schema``, which is valid.

        Args:
            schema: the schema.
            value: JSON.
            chain: Number of subschemas that have led to this one.
            nested: True if this one is in an alternative, of ``anyOf`` or ``oneOf``.

        Raises:
            TooCostly: they are too many.
        """
        if schema is None:
            return  # the schema doesn't have the keyword
        self._spend(1)
        if chain > MAX_CHAIN:
            raise TooCostly("it leads through too many nested subschemas")
        self._visit(schema, value, chain, nested=nested)
        if not isinstance(schema, Mapping):
            return
        self._spend(-(-self._comparisons(schema, value) // COMPARISONS_OF_A_STEP))
        for below, alternative in self._in_place(schema, value):
            self.count(below, value, chain + 1, nested=nested or alternative)
        if isinstance(value, str):
            self._spend(len(value) * (("pattern" in schema) + ("format" in schema)))
        elif isinstance(value, dict):
            self._count_object(schema, value, chain + 1, nested=nested)
        elif isinstance(value, list):
            self._count_list(schema, value, chain + 1, nested=nested)

    def _visit(self, schema: Any, value: Any, chain: int, *, nested: bool) -> None:
        """Take note of a step; a subclass may."""

    def _spend(self, steps: int) -> None:
        self.steps += steps
        if self.steps > self.max_steps:
            raise TooCostly(f"it takes more than {self.max_steps} steps")

    def _comparisons(self, schema: Schema, value: Any) -> int:
        """Return how many values and names the keywords of a schema itself compare."""
        found = sum(
            self._size(schema[keyword]) for keyword in ("const", "enum") if keyword in schema
        )
        if isinstance(value, list) and schema.get("uniqueItems"):
            found += self._size(value)
        if isinstance(value, dict):
            found += len(list_in(schema, "required")) + len(map_in(schema, "properties"))
            for keyword in ("dependencies", "dependentRequired", "dependentSchemas"):
                for names in map_in(schema, keyword).values():
                    found += 1 + (len(names) if isinstance(names, list) else 0)
        return found

    def _size(self, value: Any) -> int:
        """Return the number of values in a value, with itself."""
        if not isinstance(value, Mapping | list):
            return 1
        if (size := self._nodes.get(id(value))) is None:
            items = value.values() if isinstance(value, Mapping) else value
            size = self._nodes[id(value)] = 1 + sum(map(self._size, items))
        return size

    def _in_place(self, schema: Schema, value: Any) -> Iterator[tuple[Any, bool]]:
        """Yield the subschemas on the same value, each with True if it is an alternative."""
        if isinstance(reference := schema.get("$ref"), str):
            yield self.places[reference], False
        for keyword in ("if", "then", "else", "not"):
            if keyword in schema:
                yield schema[keyword], False
        for keyword in ("allOf", "anyOf", "oneOf"):
            for below in list_in(schema, keyword):
                yield below, keyword != "allOf"
        if isinstance(value, dict):
            for keyword in ("dependentSchemas", "dependencies"):
                for name, below in map_in(schema, keyword).items():
                    if name in value and not isinstance(below, list):
                        yield below, False

    def _count_object(
        self, schema: Schema, value: dict[str, Any], chain: int, *, nested: bool
    ) -> None:
        named = map_in(schema, "properties")
        patterns = map_in(schema, "patternProperties")
        names, others = schema.get("propertyNames"), schema.get("additionalProperties")
        for name, item in value.items():
            self._spend(len(patterns) * len(name))
            for below in (named.get(name, others), *patterns.values()):
                self.count(below, item, chain, nested=nested)
            self.count(names, name, chain, nested=nested)

    def _count_list(self, schema: Schema, value: list[Any], chain: int, *, nested: bool) -> None:
        items = schema.get("items")
        first = [*list_in(schema, "prefixItems"), *list_in(schema, "items")]
        one = None if isinstance(items, list) else items
        every = (one, schema.get("contains"), schema.get("additionalItems"))
        for index, item in enumerate(value):
            if index < len(first):
                self.count(first[index], item, chain, nested=nested)
            for below in every:
                self.count(below, item, chain, nested=nested)


def list_in(schema: Schema, keyword: str) -> list[Any]:
    """Return the list of a keyword. It may have any value in a draft that doesn't know it."""
    found = schema.get(keyword)
    return found if isinstance(found, list) else []


def map_in(schema: Schema, keyword: str) -> Mapping[str, Any]:
    """Return the object of a keyword. It may have any value in a draft that doesn't know it."""
    found = schema.get(keyword)
    return found if isinstance(found, Mapping) else {}
