"""Tasks that have not begun. A Task that has would do its work a second time."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from wegent_crds.reading import mapping
from wegent_import import annotations as known
from wegent_import.draft import Draft
from wegent_import.notes import NoteKind
from wegent_import.redaction import without_secrets
from wegent_sdk.plain import scalar_text

PENDING: Final = frozenset({"", "pending"})
TITLE_MAX: Final = 256


class NotPendingError(ValueError):
    """The Task has begun, or an option leaves Tasks out."""


def convert(draft: Draft) -> None:
    """Convert the spec of a Task.

    Raises:
        NotPendingError: the Task is not imported.
    """
    if draft.options.tasks == "none":
        raise NotPendingError("Tasks are left out; --tasks pending imports those that wait")
    state = mapping(draft.document.body.get("status"))
    phase = scalar_text(state.get("phase") or state.get("status")).lower()
    done = [it for it in ("result", "completedAt", "startedAt") if state.get(it)]
    if phase not in PENDING or done:
        raise NotPendingError("the Task has begun; importing it would do the work again")
    for kind, field in (("Team", "teamRef"), ("Bot", "botRef")):
        reference = draft.reference(kind, draft.take(field), f"spec.{field}")
        if reference is not None and not draft.spec:
            draft.spec[field] = reference
    model = draft.reference("Model", draft.take("modelRef"), "spec.modelRef")
    if model is not None:
        draft.spec["modelRef"] = model
    draft.spec["prompt"] = draft.prompt("spec.prompt", draft.take("prompt"))
    title = draft.prompt("spec.title", draft.take_text("title")).strip()
    if title:
        draft.spec["title"] = title[:TITLE_MAX]
        if len(title) > TITLE_MAX:
            draft.note(NoteKind.LOST, "spec.title", f"shortened to {TITLE_MAX} characters")
    draft.native("timeoutSeconds", "instructions", "ttlSecondsAfterFinished")


def keep_repository(draft: Draft, workspaces: Mapping[tuple[str, str], Mapping[str, Any]]) -> None:
    """Keep the repository of the Task's Workspace in an annotation."""
    reference = mapping(draft.rest.get("workspaceRef"))
    name = scalar_text(reference.get("name"))
    namespace = scalar_text(reference.get("namespace")) or "default"
    repository = mapping(mapping(workspaces.get((namespace, name))).get("repository"))
    if not repository:
        return
    clean, removed = without_secrets({key: _without_login(it) for key, it in repository.items()})
    text = known.encoded(clean)
    field = "spec.workspaceRef"
    if text is None:
        draft.note(NoteKind.LOST, field, "the repository is too large for an annotation")
        return
    draft.annotations[known.REPOSITORY] = text
    draft.note(NoteKind.KEPT, field, f"its repository is in the annotation {known.REPOSITORY}")
    for path in removed:
        draft.note(NoteKind.SECRET, f"{field}.{path}", "the value is not in the annotation")


def _without_login(value: object) -> object:
    """Return a value; a URL loses its user and password, also where there is only one."""
    if not isinstance(value, str) or "://" not in value:
        return value
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
