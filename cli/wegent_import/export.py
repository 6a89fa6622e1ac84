"""Rows of Wegent's database, as lines of JSON that ``mysql`` writes (docs/coming-from-wegent.md).

Each line is an object with the name of its table and the columns that matter.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from wegent_crds.reading import mapping
from wegent_import.notes import Note, NoteKind
from wegent_sdk.plain import plain, scalar_text

TABLES: Final = ("kinds", "tasks", "users", "namespace", "resource_members", "skill_binaries")
_NUMBER: Final = re.compile(r"-?\d{1,19}", re.ASCII)


class Rows:
    """The rows of an export by table, in the order of their ids."""

    def __init__(self) -> None:
        self._tables: dict[str, list[Mapping[str, Any]]] = {it: [] for it in TABLES}

    def read(self, text: str, source: str) -> list[Note]:
        """Add the rows of a text. Return notes on the other lines."""
        notes = []
        for number, line in enumerate(_lines(text), 1):
            if not line.strip():
                continue
            row = _row(line)
            table = scalar_text(row.get("table"))
            if table in self._tables:
                self._tables[table].append({**row, "source": f"{source}:{number}"})
            else:
                message = f"not a row of {', '.join(TABLES)}"
                notes.append(Note(f"{source}:{number}", "", NoteKind.INVALID, message))
        return notes

    def of(self, table: str) -> list[Mapping[str, Any]]:
        """Return the rows of a table, the lowest id first."""
        return sorted(self._tables[table], key=lambda row: number_of(row, "id") or 0)

    def __len__(self) -> int:
        return sum(map(len, self._tables.values()))


def is_export(text: str) -> bool:
    """Return True if the first line of a text is a row of one of the tables."""
    line = next((it for it in _lines(text) if it.strip()), "")
    return scalar_text(_row(line).get("table")) in TABLES


def number_of(row: Mapping[str, Any], column: str) -> int | None:
    """Return a whole number in a column, which an export may write as a text."""
    text = scalar_text(row.get(column))
    if text in {"true", "false"}:
        return int(text == "true")
    return int(text) if _NUMBER.fullmatch(text) else None


def json_of(row: Mapping[str, Any], column: str) -> Mapping[str, Any]:
    """Return the object in a column of JSON, which MariaDB writes as a text."""
    value = row.get(column)
    return _row(value) if isinstance(value, str) else mapping(value)


def _lines(text: str) -> Iterator[str]:
    return iter(text.split("\n"))


def _row(line: str) -> Mapping[str, Any]:
    if not line.lstrip().startswith("{"):
        return {}
    try:
        return mapping(plain(json.loads(line)))
    except (ValueError, RecursionError):
        return {}
