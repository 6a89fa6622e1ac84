"""Tables in kubectl's style: upper-case heads, three spaces between columns, no lines.

On a terminal, a table that is too wide loses text where it hurts least: the last column is
shortened first, then the widest one, and the first column, the name, never.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.cells import cell_len, set_cell_size

from wegent_cli.text import one_line

GAP: Final = "   "
MIN_CELLS: Final = 6
"""Cells that a shortened column keeps."""


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int | None = None,
    *,
    kept: int = 1,
) -> Iterator[str]:
    """Yield the lines of a table.

    Args:
        heads: names of the columns.
        rows: cells of each row, as many as columns.
        width: cells of the terminal; None for lines of any length.
        kept: number of columns, from the first one, that are not shortened.
    """
    cells = [[head.upper() for head in heads], *([one_line(it) for it in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    if width is not None:
        widths = fitted(widths, width, kept)
    for row in cells:
        shown = [_cell(text, to) for text, to in zip(row, widths, strict=True)]
        yield GAP.join(shown).rstrip()


def fitted(widths: Sequence[int], width: int, kept: int = 1) -> list[int]:
    """Return widths of columns that fit into ``width`` cells, as far as possible."""
    result = list(widths)

    def excess() -> int:
        return sum(result) + len(GAP) * (len(result) - 1) - width

    last = len(result) - 1
    if last >= kept and excess() > 0:
        result[last] = max(min(result[last], MIN_CELLS), result[last] - excess())
    while excess() > 0:
        column = max(range(kept, len(result)), key=result.__getitem__, default=-1)
        if column < 0 or result[column] <= MIN_CELLS:
            break
        result[column] -= 1
    return result


def _cell(text: str, width: int) -> str:
    if cell_len(text) > width:
        return set_cell_size(text, width - 1) + "…"
    return set_cell_size(text, width)
