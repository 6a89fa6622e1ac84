"""Markdown tables, as GitHub reads them."""

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; cells are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(text: str) -> str:
    """Return text for a table's cell: on one line, without column separators and HTML."""
    return " ".join(text.split()).replace("|", r"\|").replace("<", "&lt;")


def code(text: str) -> str:
    """Return ``text`` as code for a table's cell; even code must escape ``|`` there."""
    return f"`{text}`".replace("|", r"\|")
