"""Writing results: objects as YAML, notes as lines, and secrets to a file of their own."""

import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

import yaml

from wegent_import.convert import Result
from wegent_import.notes import Note
from wegent_import.secrets import Secret

WIDTH: Final = 100


class _Dumper(yaml.CSafeDumper):
    """A dumper that writes texts of several lines as blocks."""


def _text(dumper: yaml.representer.SafeRepresenter, value: str) -> yaml.ScalarNode:
    block = (
        "\n" in value
        and "\r" not in value
        and not any(line.endswith((" ", "\t")) for line in value.split("\n"))
    )
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if block else None)


_Dumper.add_representer(str, _text)


def yaml_of(bodies: Iterable[dict[str, Any]]) -> str:
    """Return objects as YAML documents."""
    return yaml.dump_all(
        bodies,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        explicit_start=True,
        width=WIDTH,
    )


def write_notes(notes: Sequence[Note], stream: TextIO, *, as_json: bool = False) -> None:
    """Write the report: one line for each note."""
    for note in notes:
        text = json.dumps(note.body(), ensure_ascii=False) if as_json else note.line()
        stream.write(f"{printable(text)}\n")


def summary(result: Result) -> str:
    """Return one line with the numbers of objects, secrets and notes of each kind."""
    kinds = Counter(str(note.kind) for note in result.notes)
    counts = [f"{number} {kind}" for kind, number in sorted(kinds.items())]
    text = f"{len(result.objects)} objects, {len(result.secrets)} secrets"
    return f"{text}; notes: {', '.join(counts)}" if counts else text


def printable(text: str) -> str:
    """Return a text without control characters, which a terminal would obey."""
    return "".join(it if it.isprintable() else "\N{REPLACEMENT CHARACTER}" for it in text)


def write_secrets(secrets: Sequence[Secret], path: Path) -> None:
    """Write the Secrets to a file that only its owner can read, at once or not at all.

    Raises:
        OSError: the file can't be written.
    """
    text = yaml_of([secret.body() for secret in secrets])
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
