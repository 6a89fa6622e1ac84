"""Teams: members and their collaboration."""

from collections.abc import Mapping
from typing import Any, Final, get_args

from wegent_crds.kinds.team import CollaborationMode
from wegent_crds.reading import mapping
from wegent_import.draft import Draft
from wegent_import.notes import NoteKind
from wegent_import.values import is_empty, truth
from wegent_sdk.plain import scalar_text

MAX_MEMBERS: Final = 64
_MODES: Final[Mapping[str, str]] = {
    **{mode: mode for mode in get_args(CollaborationMode)},
    "single": "solo",
    "sequential": "pipeline",
    "workflow": "pipeline",
    "parallel": "coordinate",
    "coordination": "coordinate",
    "collaboration": "collaborate",
    "routing": "route",
    "router": "route",
}
_PASSING: Final[Mapping[str, str]] = {
    "none": "none",
    "original_user": "original",
    "previous_bot": "previous",
    "original_and_previous": "all",
    **{it: it for it in ("original", "previous", "all")},
}
_READ: Final = frozenset(
    {"botRef", "bot_ref", "bot", "role", "prompt", "bot_prompt", "requireConfirmation"}
    | {"contextPassing", "modelRef", "require_confirmation", "context_passing"}
)


def convert(draft: Draft) -> None:
    """Convert the spec of a Team."""
    draft.native("accessFrom")
    draft.description()
    mode = _mode(draft)
    members = draft.take("members", "bots")
    draft.spec["bots"] = _members(draft, members if isinstance(members, list) else [], mode)
    draft.spec["collaborationMode"] = mode


def _mode(draft: Draft) -> str:
    value = draft.take("collaborationMode", "collaborationModel", "collaboration_model")
    named = mapping(value).get("name") or mapping(value).get("type")
    text = scalar_text(named if isinstance(value, Mapping) else value).strip().lower()
    if isinstance(value, Mapping):
        others = {key: it for key, it in value.items() if key not in {"name", "type"}}
        if others:
            draft.rest["collaborationModel"] = others
    mode = _MODES.get(text)
    if mode is None:
        if text:
            draft.note(NoteKind.LOST, "spec.collaborationModel", "is unknown; the mode is solo")
        return "solo"
    if mode != text:
        draft.note(NoteKind.CHANGED, "spec.collaborationModel", f"is {mode}")
    return mode


def _members(draft: Draft, source: list[Any], mode: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    left: list[dict[str, Any]] = []
    passing = ""
    for at, value in enumerate(source):
        field = f"spec.members[{at}]"
        member = mapping(value)
        bot = draft.reference("Bot", _bot_of(member), field)
        if bot is None:
            draft.note(NoteKind.LOST, field, "names no Bot")
            continue
        if any((it["namespace"], it["name"]) == (bot["namespace"], bot["name"]) for it in found):
            draft.note(NoteKind.LOST, field, "names a Bot that is a member already")
            continue
        if len(found) == MAX_MEMBERS:
            draft.note(NoteKind.LOST, field, f"a Team has at most {MAX_MEMBERS} members")
            continue
        item: dict[str, Any] = dict(bot)
        _role(draft, field, member, item, found)
        prompt = draft.prompt(f"{field}.prompt", member.get("prompt") or member.get("bot_prompt"))
        if prompt.strip():
            item["prompt"] = prompt
        if model := draft.reference("Model", member.get("modelRef"), f"{field}.modelRef"):
            item["modelRef"] = model
        if mode == "pipeline":
            passing = _stage(draft, field, member, item, passing)
        found.append(item)
        rest = {key: it for key, it in member.items() if key not in _read(value)}
        left.append({"bot": bot["name"], **rest} if any(map(_given, rest.values())) else {})
    if any(left):
        draft.rest["members"] = [it for it in left if it]
    return found


def _bot_of(member: Mapping[str, Any]) -> object:
    for field in ("botRef", "bot_ref", "bot"):
        if member.get(field):
            return member[field]
    # The own form has the reference in the item itself.
    names = {"name", "namespace"}
    own = set(member) <= names | {"role", "prompt", "modelRef", "contextPassing"} | _READ
    return member if own else None


def _read(member: Mapping[str, Any]) -> frozenset[str]:
    refers = any(member.get(field) for field in ("botRef", "bot_ref", "bot"))
    return _READ if refers else _READ | {"name", "namespace"}


def _given(value: object) -> bool:
    return not is_empty(value)


def _role(
    draft: Draft,
    field: str,
    member: Mapping[str, Any],
    item: dict[str, Any],
    before: list[dict[str, Any]],
) -> None:
    role = scalar_text(member.get("role")).strip().lower()
    leads = any(it.get("role") == "leader" for it in before)
    if role == "leader" and not leads:
        item["role"] = "leader"
    elif role == "leader":
        draft.note(NoteKind.LOST, f"{field}.role", "is member: a Team has one leader")
    elif role not in {"", "member"}:
        draft.note(NoteKind.LOST, f"{field}.role", "is member: a role is leader or member")


def _stage(
    draft: Draft,
    field: str,
    member: Mapping[str, Any],
    item: dict[str, Any],
    passing: str,
) -> str:
    """Convert a stage of a pipeline. Return what it passes to the next one.

    Wegent has ``contextPassing`` on the stage that gives, and this project on the one that takes.
    """
    if truth(member.get("requireConfirmation", member.get("require_confirmation"))):
        item["requireConfirmation"] = True
    if passing == "none" and "prompt" not in item:
        # Such a stage starts with nothing, and waits for a person's words, which fails here.
        text = "passes nothing to a Bot without a prompt; it gets the answer before it"
        draft.note(NoteKind.LOST, f"{field}.contextPassing", text)
    elif passing:
        item["contextPassing"] = passing
    own_form = "botRef" not in member and "bot_ref" not in member and "bot" not in member
    stated = scalar_text(member.get("contextPassing", member.get("context_passing")))
    known = _PASSING.get(stated, "")
    if stated and not known:
        draft.note(NoteKind.LOST, f"{field}.contextPassing", "is unknown")
    if own_form and known:
        item["contextPassing"] = known
        return ""
    return known
