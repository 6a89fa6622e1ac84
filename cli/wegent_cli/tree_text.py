"""The graph of an object as text: a line for each object, and the words of each root cause.

On a terminal with colours, lines connect the objects. Plain output has indentation alone, because
screen readers speak each character of a line.
"""

import textwrap
from collections.abc import Iterator
from typing import Final

from wegent_cli.terminal import Style
from wegent_cli.tree import Node, State

STYLES: Final = {
    State.GOOD: Style.GOOD,
    State.PENDING: Style.CAUTION,
    State.BAD: Style.BAD,
    State.MISSING: Style.BAD,
    State.UNREADABLE: Style.CAUTION,
}
MIN_WIDTH: Final = 24
"""Cells of a message, however deep it is in the graph."""


def lines(
    root: Node, *, width: int | None = None, guides: bool = False
) -> Iterator[tuple[str, str, Style | None]]:
    """Yield lines as a beginning, a text and its style.

    Args:
        root: the graph.
        width: cells of the terminal, to which messages are wrapped; None for lines of any length.
        guides: True to draw lines between the objects.
    """
    yield from _lines(root, "", "", width, guides=guides)


def _lines(
    node: Node, first: str, rest: str, width: int | None, *, guides: bool
) -> Iterator[tuple[str, str, Style | None]]:
    told = "shown above" if node.shown_before else node.reason
    yield f"{first}{node.title}: ", told, STYLES[node.state]
    if node.message and not node.shown_before and (node.is_root_cause or _adds(node)):
        label = "root cause: " if node.is_root_cause else ""
        style = Style.BAD if node.is_root_cause else None
        stem = "│ " if guides and node.children else "  "
        for line in _wrapped(label + node.message, width, len(rest) + 2):
            yield rest + stem, line, style
    for child in node.children:
        last = child is node.children[-1]
        branch, stem = ("└─ " if last else "├─ ", "   " if last else "│  ")
        if not guides:
            branch = stem = "  "
        yield from _lines(child, rest + branch, rest + stem, width, guides=guides)


def _adds(node: Node) -> bool:
    """Return True if a message says more than the root cause below does."""
    return node.state in {State.PENDING, State.UNREADABLE}


def _wrapped(text: str, width: int | None, indent: int) -> list[str]:
    if width is None:
        return [text]
    return textwrap.wrap(text, max(MIN_WIDTH, width - indent), break_on_hyphens=False)
