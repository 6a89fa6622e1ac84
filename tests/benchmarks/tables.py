"""Tables that are printed row by row, and kept as Markdown, JSON and charts."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.benchmarks.charts import bars
from tests.benchmarks.machine import machine, versions

PACKAGES: Final = ("aiohttp", "fastapi", "uvicorn", "uvloop", "pydantic-core", "openai")
"""Packages that the speed of proxy and runner depends on."""

Cell = str | float
Chart = tuple[str, Mapping[str, Mapping[str, float]]]
"""A title with the unit, and the values by name, by group."""


@dataclass
class Table:
    """A table, and the formats of its numbers.

    Attributes:
        columns: Heads of the columns.
        formats: Of each column, as ``format`` takes them; empty for texts.
    """

    columns: Sequence[str]
    formats: Sequence[str]
    rows: list[Sequence[Cell]] = field(default_factory=list)

    def head(self) -> str:
        """Return the first two lines in Markdown."""
        lines = (" --- " if not form else " ---: " for form in self.formats)
        return f"{_line(self.columns)}\n|{'|'.join(lines)}|"

    def line(self, row: Sequence[Cell]) -> str:
        """Return a row in Markdown."""
        return _line(
            it if isinstance(it, str) else format(it, form)
            for it, form in zip(row, self.formats, strict=True)
        )


@dataclass
class Tables:
    """The tables of one part of a run, with the machine before and after it.

    Attributes:
        part: Name of the part, and of its files.
        directory: Where the files are written.
    """

    part: str
    directory: Path
    before: str = field(default_factory=machine)
    versions: Mapping[str, str] = field(default_factory=lambda: versions(PACKAGES))
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    charts: dict[str, Chart] = field(default_factory=dict)

    def begin(self, columns: Sequence[str], formats: Sequence[str]) -> None:
        """Begin a table, and print its head."""
        self.tables.append(Table(columns, formats))
        print(f"\n{self.tables[-1].head()}", flush=True)

    def row(self, *cells: Cell) -> None:
        """Add a row to the last table. Print it, and write the files."""
        table = self.tables[-1]
        table.rows.append(cells)
        print(table.line(cells), flush=True)
        self.write()

    def note(self, text: str) -> None:
        """Add a sentence below the tables. Print it, and write the files."""
        self.notes.append(text)
        print(f"\n{text}", flush=True)
        self.write()

    def write(self) -> None:
        """Write ``<part>.md``, ``<part>.json``, and a chart ``<part>-<name>.svg`` each."""
        self.directory.mkdir(parents=True, exist_ok=True)
        content = {
            "machine": {"before": self.before, "after": machine()},
            "versions": self.versions,
            "tables": [
                [dict(zip(it.columns, row, strict=True)) for row in it.rows] for it in self.tables
            ],
            "notes": self.notes,
        }
        files = {
            f"{self.part}.md": self.markdown(),
            f"{self.part}.json": json.dumps(content, indent=2) + "\n",
            **{f"{self.part}-{name}.svg": bars(*chart) for name, chart in self.charts.items()},
        }
        for name, text in files.items():
            (self.directory / name).write_text(text, encoding="utf-8")

    def markdown(self) -> str:
        """Return the tables, with the machine and the versions."""
        parts = [
            f"Before: {self.before}. After: {machine()}.",
            ", ".join(f"{name} {version}" for name, version in self.versions.items()),
            *("\n".join((it.head(), *map(it.line, it.rows))) for it in self.tables),
            *self.notes,
        ]
        return "\n\n".join(parts) + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
