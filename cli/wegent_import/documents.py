"""Documents of Wegent: objects in the form that Wegent's files, API and database have."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from wegent_crds.reading import YAML_VALUE_FAULTS, items, mapping
from wegent_crds.registry import GROUP
from wegent_import.notes import Note, NoteKind
from wegent_sdk.plain import Loader, TooLargeError, bound_depth, plain, scalar_text

MAX_TEXT_BYTES: Final = 64 << 20
"""Of one file. A Skill's packages are read one by one, so no export of one table is larger."""
DEFAULT_NAMESPACE: Final = "default"
"""Wegent's namespace of objects and references that name none."""
_SEPARATOR: Final = re.compile(r"^---\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Document:
    """One object in Wegent's form."""

    source: str
    """Place for people: a file and the number of the document in it."""
    body: Mapping[str, Any]
    """The object as plain JSON values."""
    owner: str | None = None
    """Name of the Account whose personal object this is; None for an object of a namespace."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Files of a Skill by path, besides its SKILL.md."""

    @property
    def kind(self) -> str:
        """The kind that the document claims, or an empty text."""
        return scalar_text(self.body.get("kind"))

    @property
    def name(self) -> str:
        """The name in the document, or an empty text."""
        return scalar_text(mapping(self.body.get("metadata")).get("name"))

    @property
    def namespace(self) -> str:
        """Wegent's namespace of the document."""
        return scalar_text(mapping(self.body.get("metadata")).get("namespace")) or DEFAULT_NAMESPACE

    @property
    def spec(self) -> Mapping[str, Any]:
        """The spec, or an empty map."""
        return mapping(self.body.get("spec"))

    @property
    def label(self) -> str:
        """The document's place, kind and name, for notes."""
        known = f"{self.kind or 'object'} {self.namespace}/{self.name or '(no name)'}"
        return f"{self.source} {known}"[:400].replace("\n", " ")


def documents_of(text: str, source: str) -> tuple[list[Document], list[Note]]:
    """Return the documents of a YAML or JSON text, and notes on those that can't be read.

    A document that is not YAML leaves the others as they are.
    """
    if len(text) > MAX_TEXT_BYTES:
        return [], [Note(source, "", NoteKind.INVALID, f"larger than {MAX_TEXT_BYTES >> 20} MiB")]
    documents, notes = [], []
    for number, value in enumerate(_values(text)):
        place = f"{source}[{number}]"
        if isinstance(value, yaml.YAMLError):
            notes.append(Note(place, "", NoteKind.INVALID, f"not valid YAML: {_problem(value)}"))
        elif value is not None:
            found, problems = of_value(value, place)
            documents += found
            notes += problems
    return documents, notes


def of_value(value: object, source: str) -> tuple[list[Document], list[Note]]:
    """Return the documents in a value of a YAML or JSON loader, with lists expanded."""
    try:
        known = plain(value)
    except (TooLargeError, RecursionError) as error:
        return [], [Note(source, "", NoteKind.INVALID, f"can't be read: {error}")]
    documents, notes = [], []
    for body in _expanded(known, 0):
        document = Document(source, mapping(body))
        if not scalar_text(document.body.get("apiVersion")).startswith(f"{GROUP}/"):
            message = f"not an object of {GROUP}"
            notes.append(Note(document.label, "apiVersion", NoteKind.SKIPPED, message))
        else:
            documents.append(document)
    return documents, notes


def _expanded(value: Any, depth: int) -> Iterator[Any]:
    """Yield the objects of a list, of a ``List``, and of an answer of Wegent's API."""
    if isinstance(value, list) and depth < 4:
        for item in value:
            yield from _expanded(item, depth + 1)
        return
    body = mapping(value)
    kind = scalar_text(body.get("kind"))
    if (kind.endswith("List") or not kind) and isinstance(body.get("items"), list):
        implied = {"apiVersion": body.get("apiVersion"), "kind": kind.removesuffix("List")}
        for item in items(body.get("items")):
            whole = {**implied, **item} if isinstance(item, Mapping) and kind else item
            yield from _expanded(whole, depth + 1) if depth < 4 else ()
        return
    yield value


def _values(text: str) -> Iterator[object]:
    """Yield the values of a stream; a document that can't be read gives its error."""
    try:
        bound_depth(text)
        yield from list(yaml.load_all(text, Loader))
    except yaml.YAMLError as error:
        parts = [part for part in _SEPARATOR.split(text) if part.strip()]
        if len(parts) <= 1:
            yield error
            return
        for part in parts:
            yield _value(part)
    except YAML_VALUE_FAULTS as error:
        yield yaml.YAMLError(type(error).__name__)


def _value(text: str) -> object:
    try:
        bound_depth(text)
        return yaml.load(text, Loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        return error
    except YAML_VALUE_FAULTS as error:
        return yaml.YAMLError(type(error).__name__)


def _problem(error: yaml.YAMLError) -> str:
    """Return what is wrong and where, without an excerpt of the text."""
    mark = getattr(error, "problem_mark", None)
    known = getattr(error, "problem", None)
    known = known if isinstance(known, str) else str(error).partition("\n")[0]
    problem = re.sub(r"'[^']*'|\"[^\"]*\"", "…", known)[:200] or "malformed"
    return f"{problem}: line {mark.line + 1}, column {mark.column + 1}" if mark else problem
