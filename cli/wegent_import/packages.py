"""Packages of Skills: a folder or a ZIP with a SKILL.md and its files."""

import io
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Final

from wegent_crds.reading import mapping
from wegent_crds.registry import API_VERSION
from wegent_import.documents import Document, documents_of
from wegent_import.notes import Note, NoteKind
from wegent_import.redaction import redacted_text

SKILL_FILE: Final = "SKILL.md"
_HEAD: Final = f"apiVersion: {API_VERSION}\nspec:"
MAX_ENTRIES: Final = 1000
MAX_FILE_BYTES: Final = 1 << 20
TOO_LARGE: Final = f"is larger than {MAX_FILE_BYTES >> 20} MiB"
HIDDEN: Final = "is hidden: a part of its path begins with a dot"
MAX_BYTES: Final = 32 << 20
"""Of all files of one package, uncompressed. Wegent's limit of a ZIP is 10 MiB."""


class PackageError(ValueError):
    """A ZIP is not a package of a Skill."""


@dataclass(frozen=True, slots=True)
class Package:
    """Files of a Skill by path, and the reasons for which others are left out, by path."""

    files: Mapping[str, bytes]
    left_out: Mapping[str, str]

    def notes(self, document: str) -> list[Note]:
        """Return notes on the files that are left out."""
        found = self.left_out.items()
        return [Note(document, redacted_text(it), NoteKind.SKIPPED, why) for it, why in found]


def skill_document(name: str, files: Mapping[str, bytes], source: str) -> Document:
    """Return the document of a Skill from the files of its package, of which one is SKILL.md."""
    text = files[SKILL_FILE].decode("utf-8", "replace").removeprefix("\ufeff")
    front, content = front_matter(text)
    spec = {key: item for key, item in front.items() if key != "name"}
    spec["prompt"] = content
    body = {"apiVersion": API_VERSION, "kind": "Skill", "metadata": {"name": name}, "spec": spec}
    others = {path: raw for path, raw in files.items() if path != SKILL_FILE}
    return Document(source, body, files=others)


def with_package(document: Document, package: Package) -> Document:
    """Return a Skill's document with the fields and files of its package. Its own fields win."""
    packaged = skill_document(document.name, package.files, document.source)
    spec = {**packaged.spec, **{key: it for key, it in document.spec.items() if it}}
    return replace(document, body={**document.body, "spec": spec}, files=packaged.files)


def front_matter(text: str) -> tuple[Mapping[str, Any], str]:
    """Return the fields in front of a SKILL.md, and the text after them."""
    lines = text.replace("\r\n", "\n").split("\n")
    if not lines or lines[0].rstrip() != "---":
        return {}, text
    for at, line in enumerate(lines[1:], 1):
        if line.rstrip() == "---":
            fields = [f"  {it}" for it in lines[1:at]]
            documents, _ = documents_of("\n".join([_HEAD, *fields]), "")
            found = documents[0].spec if documents else {}
            return mapping(found), "\n".join(lines[at + 1 :]).lstrip("\n")
    return {}, text


def package_of_zip(raw: bytes) -> Package:
    """Return the files of a package by their path below the folder of its SKILL.md.

    Raises:
        PackageError: the bytes are not a ZIP, exceed a limit, or have no SKILL.md.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            found, left_out = _read(archive)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError) as error:
        raise PackageError(f"not a ZIP that can be read: {type(error).__name__}") from None
    skills = sorted((it for it in found if PurePosixPath(it).name == SKILL_FILE), key=len)
    if not skills:
        raise PackageError(f"the ZIP has no {SKILL_FILE}")
    folder = skills[0].removesuffix(SKILL_FILE)
    files = {}
    for path, data in found.items():
        if path.startswith(folder):
            files[path.removeprefix(folder)] = data
        else:
            left_out[path] = f"is outside of the folder of {SKILL_FILE}"
    return Package(files, left_out)


def _read(archive: zipfile.ZipFile) -> tuple[dict[str, bytes], dict[str, str]]:
    entries = [it for it in archive.infolist() if not it.is_dir()]
    if len(entries) > MAX_ENTRIES:
        raise PackageError(f"the ZIP has more than {MAX_ENTRIES} files")
    found: dict[str, bytes] = {}
    left_out: dict[str, str] = {}
    total = 0
    for entry in entries:
        path = PurePosixPath(entry.filename)
        if "__MACOSX" in path.parts:
            continue  # made by the program that packs, not by a person
        if path.is_absolute() or ".." in path.parts:
            left_out[entry.filename] = "leads out of the package"
            continue
        if is_hidden(path.parts):
            left_out[entry.filename] = HIDDEN
            continue
        with archive.open(entry) as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
        total += len(data)
        if total > MAX_BYTES:
            raise PackageError(f"the ZIP has more than {MAX_BYTES >> 20} MiB of files")
        if len(data) > MAX_FILE_BYTES:
            left_out[entry.filename] = TOO_LARGE
        else:
            found[entry.filename] = data
    return found, left_out


def is_hidden(parts: Iterable[str]) -> bool:
    """Return True if a part of a path begins with a dot."""
    return any(it.startswith(".") for it in parts)


def of_zip(name: str, raw: bytes, source: str) -> tuple[list[Document], list[Note]]:
    """Return the Skill of a ZIP with notes, or a note on why there is none."""
    try:
        package = package_of_zip(raw)
    except PackageError as error:
        return [], [Note(source, "", NoteKind.INVALID, str(error))]
    return [skill_document(name, package.files, source)], package.notes(source)
