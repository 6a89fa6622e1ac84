"""Field managers of an object that is restored from the trash. Pure.

The API server stores the manager of each field in ``metadata.managedFields``. The operator
manages all fields of an object that it creates, so that a changed server-side apply of the
former manager would be a conflict. The API server ignores managedFields at creation, and
accepts them in a patch of an existing object.
"""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from wegent_crds.registry import API_VERSION
from wegent_crds.well_known import RESTORED_FROM, TRASH_FINALIZER
from wegent_operator.names import FIELD_MANAGER

Entry = Mapping[str, Any]


def given_back(kept: Iterable[Entry], there: Iterable[Entry]) -> list[dict[str, Any]]:
    """Return the managedFields of an object that was created again.

    Args:
        kept: managedFields of the deleted object.
        there: managedFields of the recreated object. Later writes of others are kept; the
            operator's own writes for the restore are not.
    """
    entries = {_identity(entry): _without_what_stays_away(entry) for entry in kept}
    for entry in there:
        identity = _identity(entry)
        if identity[:2] == (FIELD_MANAGER, "Update") and not identity[2]:
            known = entries.get(identity)
            own = _own(entry)
            entries[identity] = own if known is None else _union(known, own)
        elif identity in entries:
            entries[identity] = _union(entries[identity], entry)
        else:
            entries[identity] = dict(entry)
    return [entry for entry in entries.values() if entry.get("fieldsV1")]


def without_annotation(entries: Iterable[Entry], annotation: str) -> list[dict[str, Any]]:
    """Return managedFields in which nobody owns an annotation."""
    left = []
    for entry in entries:
        fields: dict[str, Any] = copy.deepcopy(dict(entry.get("fieldsV1") or {}))
        metadata = fields.get("f:metadata") or {}
        annotations = metadata.get("f:annotations") or {}
        if annotations.pop(f"f:{annotation}", None) is not None:
            if not set(annotations) - {"."}:
                del metadata["f:annotations"]
            if not metadata:
                del fields["f:metadata"]
        if fields:
            left.append({**entry, "fieldsV1": fields})
    return left


def _identity(entry: Entry) -> tuple[str, str, str, str]:
    return (
        str(entry.get("manager", "")),
        str(entry.get("operation", "")),
        str(entry.get("subresource", "")),
        str(entry.get("apiVersion", API_VERSION)),
    )


def _own(entry: Entry) -> dict[str, Any]:
    """Return the operator's entry with the one field that is its own."""
    fields: dict[str, Any] = {"f:metadata": {"f:annotations": {f"f:{RESTORED_FROM}": {}}}}
    return {**entry, "fieldsV1": fields}


def _without_what_stays_away(entry: Entry) -> dict[str, Any]:
    """Leave out the fields of metadata that don't come back."""
    fields: dict[str, Any] = copy.deepcopy(dict(entry.get("fieldsV1") or {}))
    metadata = fields.get("f:metadata")
    if isinstance(metadata, dict):
        metadata.pop("f:ownerReferences", None)
        finalizers = metadata.pop("f:finalizers", None) or {}
        held = {
            key: value
            for key, value in finalizers.items()
            if key in {".", f'v:"{TRASH_FINALIZER}"'}
        }
        if set(held) - {"."}:
            metadata["f:finalizers"] = held
        if not metadata:
            del fields["f:metadata"]
    return {**entry, "fieldsV1": fields}


def _union(first: Entry, second: Entry) -> dict[str, Any]:
    fields = _merged(first.get("fieldsV1") or {}, second.get("fieldsV1") or {})
    time = max(str(first.get("time", "")), str(second.get("time", "")))
    return {**first, **second, "fieldsV1": fields} | ({"time": time} if time else {})


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(first)
    for key, value in second.items():
        merged[key] = _merged(merged[key], value) if key in merged else value
    return merged
