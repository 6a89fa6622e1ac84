"""Ghosts: the prompt, the Skills and the tools of a Bot."""

from collections.abc import Mapping
from typing import Any, Final

from wegent_crds.reading import items, mapping
from wegent_import.draft import Draft
from wegent_import.mcp import move_servers
from wegent_import.notes import NoteKind
from wegent_sdk.plain import scalar_text

NEUTRAL_PROMPT: Final = "You are a helpful assistant."
"""Wegent allows an empty prompt, which tells an LLM the same."""
MAX_SKILLS: Final = 64


def convert(draft: Draft) -> None:
    """Convert the spec of a Ghost."""
    prompt = draft.prompt("spec.systemPrompt", draft.take("systemPrompt", "system_prompt"))
    if not prompt:
        draft.note(NoteKind.CHANGED, "spec.systemPrompt", "is empty; a neutral prompt replaces it")
    draft.spec["systemPrompt"] = prompt or NEUTRAL_PROMPT
    draft.native("accessFrom")
    draft.description()
    _skills(draft)
    move_servers(draft)


def _skills(draft: Draft) -> None:
    """Move ``skills`` with the namespaces of ``skill_refs``, which names them more precisely."""
    places = {**draft.take_map("preload_skill_refs"), **draft.take_map("skill_refs")}
    names: list[Any] = [*_listed(draft, "skills"), *_listed(draft, "preload_skills"), *places]
    # Templates have lists of references.
    wanted: list[tuple[str, object]] = [
        *_references(draft, "skillRefs"),
        *_references(draft, "preloadSkillRefs"),
    ]
    wanted += [(f"spec.skills.{it}", _reference(it, places)) for it in dict.fromkeys(names)]
    found: list[dict[str, str]] = []
    for field, value in wanted:
        reference = draft.reference("Skill", value, field)
        if reference is None or reference in found:
            continue
        if len(found) == MAX_SKILLS:
            draft.note(NoteKind.LOST, field, f"a Ghost has at most {MAX_SKILLS} Skills")
            continue
        found.append(reference)
    if found:
        draft.spec["skillRefs"] = found


def _references(draft: Draft, field: str) -> list[tuple[str, object]]:
    """Return the fields and the values of a list of references, and remove the list."""
    found = items(draft.rest.get(field))
    if found:
        draft.rest.pop(field)
    return [(f"spec.{field}[{at}]", it) for at, it in enumerate(found)]


def _listed(draft: Draft, field: str) -> list[str]:
    """Return the names in a list. Items may be maps with a name."""
    value = draft.take(field)
    listed = value if isinstance(value, list) else [value]
    names = [_name(it) for it in listed if it is not None]
    if not all(names):
        draft.note(NoteKind.LOST, f"spec.{field}", "an item names no Skill")
    return [name for name in names if name]


def _name(value: object) -> str:
    return scalar_text(mapping(value).get("name") if isinstance(value, Mapping) else value)


def _reference(name: str, places: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"name": name, "namespace": mapping(places.get(name)).get("namespace")}
