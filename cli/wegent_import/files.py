"""Reading files and folders: documents, packages of Skills and exports of a database."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from wegent_import.documents import MAX_TEXT_BYTES, Document, documents_of
from wegent_import.export import Rows, is_export
from wegent_import.notes import Note, NoteKind
from wegent_import.packages import (
    HIDDEN,
    MAX_FILE_BYTES,
    SKILL_FILE,
    TOO_LARGE,
    of_zip,
    skill_document,
)

STDIN: Final = "-"
MAX_FILES: Final = 20_000
_TEXTS: Final = frozenset({".yaml", ".yml", ".json", ".ndjson", ".jsonl"})


class ReadError(Exception):
    """A path can't be read."""


class Inputs:
    """Documents, rows and notes of all inputs of one import."""

    def __init__(self) -> None:
        self.documents: list[Document] = []
        self.rows = Rows()
        self.notes: list[Note] = []

    def read(self, paths: Sequence[str]) -> None:
        """Read paths in order: files, folders, or ``-`` for the standard input.

        Raises:
            ReadError: a path does not exist, or can't be read.
        """
        for path in paths:
            try:
                if path == STDIN:
                    self._text(sys.stdin.buffer.read(MAX_TEXT_BYTES + 1), "stdin")
                else:
                    self._path(Path(path))
            except OSError as error:
                raise ReadError(f"{path}: {error.strerror or error}") from None

    def _path(self, path: Path) -> None:
        if not path.is_dir():
            self._file(path, str(path))
            return
        files, left_out = files_below(path)
        self.notes += [Note(at, "", NoteKind.SKIPPED, why) for at, why in left_out.items()]
        folders = sorted(it.parent for it in files if it.name == SKILL_FILE)
        # A SKILL.md below another one belongs to that package.
        skills = [it for it in folders if not any(other in it.parents for other in folders)]
        # By its real path, because a link may lead to what is read at its own place.
        for folder in sorted({it.resolve(): it for it in reversed(skills)}.values()):
            self._skill(folder, [it for it in files if folder in it.parents])
        others = [
            it for it in files if _is_input(it) and not any(one in it.parents for one in skills)
        ]
        for file in sorted({it.resolve(): it for it in reversed(others)}.values()):
            self._file(file, str(file.relative_to(path)))

    def _file(self, path: Path, source: str) -> None:
        if path.name == SKILL_FILE:
            files, left_out = files_below(path.parent)
            self.notes += [Note(at, "", NoteKind.SKIPPED, why) for at, why in left_out.items()]
            self._skill(path.parent, files)
            return
        with path.open("rb") as stream:
            raw = stream.read(MAX_TEXT_BYTES + 1)
        if path.suffix.lower() in {".zip", ".skill"}:
            documents, notes = of_zip(path.stem, raw, source)
            self.documents += documents
            self.notes += notes
        else:
            self._text(raw, source)

    def _text(self, raw: bytes, source: str) -> None:
        if len(raw) > MAX_TEXT_BYTES:
            message = f"larger than {MAX_TEXT_BYTES >> 20} MiB; split it"
            self.notes.append(Note(source, "", NoteKind.INVALID, message))
            return
        text = raw.decode("utf-8", "replace").removeprefix("\ufeff")
        if is_export(text):
            self.notes += self.rows.read(text, source)
            return
        documents, notes = documents_of(text, source)
        self.documents += documents
        self.notes += notes

    def _skill(self, folder: Path, paths: Sequence[Path]) -> None:
        files = {}
        name = folder.resolve().name
        source = f"{name}/{SKILL_FILE}"
        for path in paths:
            with path.open("rb") as stream:
                raw = stream.read(MAX_FILE_BYTES + 1)
            inner = path.relative_to(folder).as_posix()
            if len(raw) <= MAX_FILE_BYTES:
                files[inner] = raw
            else:
                self.notes.append(Note(source, inner, NoteKind.SKIPPED, TOO_LARGE))
        if SKILL_FILE in files:
            self.documents.append(skill_document(name, files, source))


def files_below(folder: Path) -> tuple[list[Path], dict[str, str]]:
    """Return the files of a folder in a stable order, and why others are left out, by path.

    A link is followed to a file or a folder inside of ``folder``: all files of a mounted ConfigMap
    are such links.

    Raises:
        ReadError: the folder has more than `MAX_FILES` entries.
    """
    found: list[Path] = []
    left_out: dict[str, str] = {}
    root = folder.resolve()
    pending = [(folder, False)]
    number = 0
    while pending:
        parent, linked = pending.pop()
        for path in sorted(parent.iterdir()):
            number += 1
            if number > MAX_FILES:
                raise ReadError(
                    f"{folder}: more than {MAX_FILES} files and folders; import its folders one"
                    " by one"
                )
            is_link = path.is_symlink()
            problem = _problem(path, root, linked=linked) if is_link else None
            if path.name.startswith("."):
                # Kubernetes keeps the files of a mounted volume in ..data and such, and links.
                if not path.name.startswith(".."):
                    left_out[str(path.relative_to(folder))] = HIDDEN
            elif problem is not None:
                left_out[str(path.relative_to(folder))] = problem
            elif path.is_dir():
                pending.append((path, linked or is_link))
            elif path.is_file():
                found.append(path)
            else:
                left_out[str(path.relative_to(folder))] = "is neither a file nor a folder"
    return sorted(found), left_out


def _problem(link: Path, root: Path, *, linked: bool) -> str | None:
    """Return why a link is not followed, or None."""
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):
        return "is a link to nothing"
    if not target.is_relative_to(root):
        return "is a link that leads out of the folder"
    # Links to folders inside of linked folders could have no end.
    if target.is_dir() and (linked or link.parent.resolve().is_relative_to(target)):
        return "is a link to a folder that leads back"
    return None


def _is_input(path: Path) -> bool:
    return path.suffix.lower() in _TEXTS or path.suffix.lower() in {".zip", ".skill"}
