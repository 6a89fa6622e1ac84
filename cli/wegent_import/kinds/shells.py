"""Shells: the runtime of a Bot."""

from typing import Final, get_args

from wegent_crds.kinds.shell import ShellType
from wegent_crds.reading import items
from wegent_import.draft import Draft
from wegent_import.notes import NoteKind
from wegent_import.providers import provider_of
from wegent_sdk.plain import scalar_text

_TYPES: Final = {it.lower(): it for it in get_args(ShellType)}


def convert(draft: Draft) -> None:
    """Convert the spec of a Shell."""
    stated = draft.take_text("type", "shellType", "shell_type", "runtime")
    # A Shell of a user names a public one, of which it has the type.
    base = scalar_text(draft.rest.get("baseShellRef"))
    plain = stated.lower().replace("-", "").replace("_", "").replace(" ", "")
    known = _TYPES.get(plain) or _TYPES.get(base.lower())
    draft.spec["type"] = known or stated
    if known is not None and known != stated:
        draft.note(NoteKind.CHANGED, "spec.shellType", f"is {known}")
    draft.native("accessFrom")
    draft.description()
    _providers(draft)
    image = draft.take_text("baseImage", "base_image")
    if image:
        draft.spec["baseImage"] = image


def _providers(draft: Draft) -> None:
    value = draft.take("supportedProviders", "supportModel", "support_model", "supportModels")
    listed = items(value) if isinstance(value, list) else [value]
    found = []
    for item in listed:
        name = scalar_text(item)
        provider = provider_of(name) if name else None
        if provider is None and item is None:
            continue
        if provider is None:
            draft.note(NoteKind.LOST, "spec.supportModel", "one name is not that of a provider")
        elif provider not in found:
            found.append(provider)
    if found:
        draft.spec["supportedProviders"] = found
