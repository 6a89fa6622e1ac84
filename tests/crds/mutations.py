"""Making a right body nearly right: one or two values changed for the worse, as people do."""

from collections.abc import Iterator
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.crds.bodies import CHARACTERS, FILLERS, right
from tests.crds.schemas import Node, Schema, nodes, replaced

STRANGE_KEYS: Final = ("surprise", "Name", "max_tokens", "", "a b", "é")
SCALARS: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**31), 2**63),
    st.floats(-1e9, 1e9),
    st.text(CHARACTERS, max_size=5),
    st.sampled_from(["", "true", "1", "null", "default"]),
)
JUNK: Final = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=2),
    st.dictionaries(st.sampled_from(["name", "surprise"]), SCALARS, max_size=2),
)
"""JSON of any type; what it is put in place of may well be of another."""


def bodies(schema: Schema) -> SearchStrategy[Any]:
    """Return a strategy for bodies of which a good part is right and a good part is not."""
    return right(schema) | _nearly_right(schema) | _nearly_right(schema)


@st.composite
def _nearly_right(draw: DrawFn, schema: Schema) -> Any:
    body = draw(right(schema))
    for _ in range(draw(st.integers(1, 2))):
        node = draw(st.sampled_from(list(nodes(body, schema))))
        if node.path:
            body = replaced(body, node.path, draw(_worse(node)))
    return body


def _worse(node: Node) -> SearchStrategy[Any]:
    return st.one_of(st.none(), JUNK, st.sampled_from(list(_variants(node))))


def _variants(node: Node) -> Iterator[Any]:
    """Yield values like that of the node, of which most are just beyond what is allowed."""
    value = node.value
    yield None
    match value:
        case bool():
            yield from (int(value), str(value))
        case int() | float():
            most = node.schema.get("maximum", 0)
            least = node.schema.get("minimum", 0)
            yield from (value + 0.5, value * (1 + 1e-10), str(value), -value, most + 1, least - 1)
            yield from (float(2**53), 2**63)
        case str():
            yield from ("", f"{value}\n", f" {value}", value.upper(), f"{value}é", f"-{value}")
            longest = node.schema.get("maxLength", 8)
            yield from (filler * size for filler in FILLERS for size in (longest, longest + 1))
        case list():
            yield from ([], [*value, None], value + value, value[:1] * 65)
        case dict():
            for key in value:
                yield {name: item for name, item in value.items() if name != key}
                yield {**value, key: None}
            for key in STRANGE_KEYS:
                yield {**value, key: None}
                yield {**value, key: "strange"}
