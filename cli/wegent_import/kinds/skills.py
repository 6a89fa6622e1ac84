"""Skills: a description, a SKILL.md and its files."""

import re
from typing import Any, Final

from wegent_crds.kinds.skill import FILE_MAX_CHARACTERS, FILE_PATH
from wegent_crds.reading import items, mapping
from wegent_crds.schema.fields import PROMPT_MAX_CHARACTERS
from wegent_import.draft import DESCRIPTION_MAX, Draft
from wegent_import.mcp import move_servers
from wegent_import.notes import NoteKind
from wegent_import.redaction import redacted_prompt
from wegent_sdk.plain import scalar_text

MAX_FILES: Final = 64
MAX_TAGS: Final = 32
MAX_TAG: Final = 63
_VERSION: Final = re.compile(r"[0-9A-Za-z][-0-9A-Za-z.+_]*")
_PATH: Final = re.compile(FILE_PATH)


def convert(draft: Draft) -> None:
    """Convert the spec of a Skill."""
    draft.native("accessFrom")
    draft.description()
    content = draft.prompt("spec.prompt", draft.take("content", "prompt"))
    if content:
        draft.spec["content"] = content
    if "description" not in draft.spec:
        draft.note(NoteKind.CHANGED, "spec.description", "is missing; the name replaces it")
        draft.spec["description"] = draft.document.name[:DESCRIPTION_MAX] or draft.name
    _version(draft)
    _tags(draft)
    author = draft.take_text("author")
    if author:
        draft.spec["author"] = author[:253]
    move_servers(draft)
    _files(draft, len(content))


def _version(draft: Draft) -> None:
    """Move the version, which YAML reads as a number if it looks like one."""
    is_number = isinstance(draft.rest.get("version"), float)
    version = draft.take_text("version")
    if is_number:
        message = f"is the number {version} in the document; quote a version such as '1.10' there"
        draft.note(NoteKind.CHANGED, "spec.version", message)
    if len(version) <= 64 and _VERSION.fullmatch(version):
        draft.spec["version"] = version
    elif version:
        draft.rest["version"] = version


def _tags(draft: Draft) -> None:
    value = draft.take("tags")
    listed = items(value) if isinstance(value, list) else scalar_text(value).split(",")
    texts = [text for it in listed if (text := scalar_text(it).strip())]
    tags = [it for it in dict.fromkeys(texts) if len(it) <= MAX_TAG][:MAX_TAGS]
    if tags:
        draft.spec["tags"] = tags
    if len(tags) < len(set(texts)):
        draft.note(NoteKind.LOST, "spec.tags", f"at most {MAX_TAGS} tags of {MAX_TAG} characters")


def _files(draft: Draft, content: int) -> None:
    found: dict[str, str] = {}
    sources: dict[str, Any] = {**mapping(draft.rest.get("files")), **draft.document.files}
    draft.rest.pop("files", None)
    used = content
    for path, value in sorted(sources.items()):
        field = f"files.{path}"
        text = _text(value)
        problem = _problem(path, text, len(found))
        if text is not None and problem is None and used + len(path) + len(text) > _most():
            problem = f"content and files together have at most {PROMPT_MAX_CHARACTERS} characters"
        if text is None or problem is not None:
            draft.note(NoteKind.LOST, field, problem or "is not a text")
            continue
        clean = redacted_prompt(text)
        if clean != text:
            draft.note(NoteKind.SECRET, field, "a token was removed from the file")
        used += len(path) + len(clean)
        found[path] = clean
    if found:
        draft.spec["files"] = found


def _most() -> int:
    return PROMPT_MAX_CHARACTERS


def _text(value: object) -> str | None:
    if not isinstance(value, bytes):
        return scalar_text(value)
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _problem(path: str, text: str | None, number: int) -> str | None:
    if text is None:
        return "is not a text"
    if not _PATH.fullmatch(path):
        return "has a path that a Skill's file can't have"
    if len(text) > FILE_MAX_CHARACTERS:
        return f"has more than {FILE_MAX_CHARACTERS} characters"
    if number >= MAX_FILES:
        return f"a Skill has at most {MAX_FILES} files"
    return None
