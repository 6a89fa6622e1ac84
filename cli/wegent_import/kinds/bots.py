"""Bots: a Ghost, a Shell and perhaps a Model."""

from wegent_crds.reading import mapping
from wegent_import.draft import Draft
from wegent_import.index import bound_model
from wegent_import.notes import NoteKind
from wegent_sdk.plain import scalar_text


def convert(draft: Draft) -> None:
    """Convert the spec of a Bot. A Bot without a Model stays without one."""
    draft.native("accessFrom")
    draft.description()
    for kind, field, others in (
        ("Ghost", "ghostRef", ("ghost_ref", "ghost")),
        ("Shell", "shellRef", ("shell_ref", "shell")),
    ):
        value = draft.take(field, *others)
        reference = draft.reference(kind, value, f"spec.{field}")
        if reference is not None:
            draft.spec[field] = reference
    model = _model(draft)
    if model is not None:
        draft.spec["modelRef"] = model


def _model(draft: Draft) -> dict[str, str] | None:
    value = draft.take("modelRef", "model_ref")
    if value is not None and (found := draft.reference("Model", value, "spec.modelRef")):
        return found
    config = mapping(draft.rest.get("agent_config") or draft.rest.get("agentConfig"))
    if scalar_text(config.get("bind_model")):
        field = "spec.agent_config.bind_model"
        if found := draft.reference("Model", bound_model(config), field):
            _drop_binding(draft)
            return found
    if draft.options.default_model is None:
        return None
    namespace, name = draft.options.default_model
    draft.note(NoteKind.CHANGED, "spec.modelRef", f"is the default Model {namespace}/{name}")
    return {"name": name, "namespace": namespace}


def _drop_binding(draft: Draft) -> None:
    for field in ("agent_config", "agentConfig"):
        config = mapping(draft.rest.pop(field, None))
        left = {key: it for key, it in config.items() if not key.startswith("bind_model")}
        if left:
            draft.rest[field] = left
