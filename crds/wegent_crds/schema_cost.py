"""The cost of a check of a value by a JSON Schema, counted before the check is made.

A few nested references multiply: thirty definitions that each refer twice to the next make a
billion steps. The library has no limit of its own. So the steps are counted first, by a walk that
takes every branch that the check may take. It ends at the limit.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

MAX_STEPS: Final = 100_000
"""Steps of one check: a subschema on a value, or a regular expression on a character. Counting one
takes 2 microseconds, and the costliest expression that is allowed some 15 for a character."""
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

    def count(self, schema: Any, value: Any, chain: int = 0) -> None:
        """Count the steps of a check of ``value`` by ``schema``, which is valid.

        Args:
            schema: the schema.
            value: JSON.
            chain: Number of subschemas that have led to this one.

        Raises:
            TooCostly: they are too many.
        """
        if not isinstance(schema, Mapping):
            return
        self._spend(1)
        if chain > MAX_CHAIN:
            raise TooCostly("it leads through too many nested subschemas")
        for below in self._in_place(schema, value):
            self.count(below, value, chain + 1)
        if isinstance(value, str) and "pattern" in schema:
            self._spend(len(value))
        elif isinstance(value, dict):
            self._count_object(schema, value, chain + 1)
        elif isinstance(value, list):
            self._count_list(schema, value, chain + 1)

    def _spend(self, steps: int) -> None:
        self.steps += steps
        if self.steps > self.max_steps:
            raise TooCostly(f"it takes more than {self.max_steps} steps")

    def _in_place(self, schema: Schema, value: Any) -> Iterator[Any]:
        """Yield the subschemas that are checked on the same value."""
        if isinstance(reference := schema.get("$ref"), str):
            yield self.places[reference]
        for keyword in ("if", "then", "else", "not"):
            if keyword in schema:
                yield schema[keyword]
        for keyword in ("allOf", "anyOf", "oneOf"):
            yield from schema.get(keyword, ())
        if isinstance(value, dict):
            for keyword in ("dependentSchemas", "dependencies"):
                for name, below in schema.get(keyword, {}).items():
                    if name in value:
                        yield below

    def _count_object(self, schema: Schema, value: dict[str, Any], chain: int) -> None:
        named: Schema = schema.get("properties", {})
        patterns: Schema = schema.get("patternProperties", {})
        names, others = schema.get("propertyNames"), schema.get("additionalProperties")
        for name, item in value.items():
            self._spend(len(patterns) * len(name))
            for below in (named.get(name, others), *patterns.values()):
                self.count(below, item, chain)
            self.count(names, name, chain)

    def _count_list(self, schema: Schema, value: list[Any], chain: int) -> None:
        items = schema.get("items")
        first = [*schema.get("prefixItems", ()), *(items if isinstance(items, list) else ())]
        every = (items, schema.get("contains"), schema.get("additionalItems"))
        for index, item in enumerate(value):
            if index < len(first):
                self.count(first[index], item, chain)
            for below in every:
                self.count(below, item, chain)
