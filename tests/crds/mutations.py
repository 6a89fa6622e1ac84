"""Mutations that make a valid body nearly valid: a few values changed, as by mistake."""

from collections.abc import Iterator
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.crds.bodies import CHARACTERS, FILLERS, right
from tests.crds.schemas import Node, Schema, nodes, replaced

NULL: Final = st.none()
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
"""JSON of any type, which may differ from the type of the value that it replaces."""


def bodies(schema: Schema, name: str = "") -> SearchStrategy[Any]:
    """Return a strategy for bodies, of which many are valid and many are not."""
    bodies_that_pass = right(schema, name)
    nearly_right = _nearly_right(schema, bodies_that_pass)
    return st.one_of(bodies_that_pass, nearly_right, nearly_right, nearly_right)


@st.composite
def _nearly_right(draw: DrawFn, schema: Schema, bodies_that_pass: SearchStrategy[Any]) -> Any:
    body = draw(bodies_that_pass)
    for _ in range(draw(st.integers(1, 3))):
        # The root is left out: otherwise an empty status would stay valid in each draw.
        everywhere = [node for node in nodes(body, schema) if node.path]
        if not everywhere:
            body = {draw(st.sampled_from(STRANGE_KEYS)): "strange"}
            continue
        in_spec = [node for node in everywhere if node.path[:1] == ("spec",)]
        node = draw(st.sampled_from(everywhere) | st.sampled_from(in_spec or everywhere))
        body = replaced(body, node.path, draw(_worse(node)))
    return body


def _worse(node: Node) -> SearchStrategy[Any]:
    changed = st.sampled_from(list(_variants(node)))
    if isinstance(node.value, str):
        longest = node.schema.get("maxLength", 8)
        edge = st.builds(str.__mul__, st.sampled_from(FILLERS), st.integers(longest, longest + 1))
        return st.one_of(NULL, JUNK, JUNK, changed, changed, edge)
    return st.one_of(NULL, JUNK, JUNK, changed, changed)


def _variants(node: Node) -> Iterator[Any]:
    """Yield values like the node's, most of them just beyond its bounds."""
    value = node.value
    match value:
        case None:
            yield from ("", [], {})
        case bool():
            yield from (int(value), str(value))
        case int() | float():
            most = node.schema.get("maximum", 0)
            least = node.schema.get("minimum", 0)
            yield from (value + 0.5, value * (1 + 1e-10), str(value), -value, most + 1, least - 1)
            yield from (float(2**53), 2**63)
        case str():
            yield from ("", f"{value}\n", f" {value}", value.upper(), f"{value}é", f"-{value}")
        case list():
            yield from ([], [*value, None], value + value, value[:1] * 65)
        case dict():
            for key in value:
                yield {name: item for name, item in value.items() if name != key}
                yield {**value, key: None}
            for key in STRANGE_KEYS:
                yield {**value, key: None}
                yield {**value, key: "strange"}
