"""Notes: the report of an import, one line for each change that a person may want to know.

A note names the document, the field and the kind of change. It never contains a value of a secret
field, so a report can be shared.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final


class NoteKind(StrEnum):
    """The kinds of changes of a field or of a document."""

    CHANGED = "changed"
    """The field has another form with the same meaning."""
    RENAMED = "renamed"
    """The name is not a Kubernetes name. An annotation keeps the original."""
    KEPT = "kept"
    """The field has no counterpart. An annotation keeps its value."""
    SECRET = "secret"  # noqa: S105 - the name of a kind of note
    """The value is a secret, and is in no object, annotation or note."""
    EXPOSED = "exposed"
    """The value seems to be a secret, and is in the object, because it works nowhere else."""
    TODO = "todo"
    """Something that a person has to supply, such as a key."""
    LOST = "lost"
    """The value is not in the result, or with another meaning."""
    SKIPPED = "skipped"
    """The document has no counterpart, or an option leaves it out."""
    INVALID = "invalid"
    """The API server would refuse the object, which is left out."""


LEFT_OUT: Final = frozenset({NoteKind.SKIPPED, NoteKind.INVALID})
"""Kinds of notes on documents that are left out."""
LOSSY: Final = LEFT_OUT | {NoteKind.LOST, NoteKind.EXPOSED}
"""Kinds of notes that ``--strict`` treats as failures."""


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the report."""

    document: str
    """Place of the document: ``file.yaml[2] Ghost default/reviewer``."""
    field: str
    """Path of the field, such as ``spec.members[0].role``; empty for the whole document."""
    kind: NoteKind
    message: str

    def line(self) -> str:
        """Return the note as one line of text."""
        place = f"{self.document}: {self.field}" if self.field else self.document
        return f"{self.kind:<8} {place}: {self.message}"

    def body(self) -> dict[str, str]:
        """Return the note as JSON values."""
        return asdict(self)


def exit_code(notes: Iterable[Note], *, strict: bool = False) -> int:
    """Return 0 if all documents are in the result, else 1; with ``strict``, also 1 for a loss."""
    failures = LOSSY if strict else LEFT_OUT
    return int(any(note.kind in failures for note in notes))
