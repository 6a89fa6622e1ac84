"""The trash, pure: what a Tombstone keeps of an object, and what comes back of it."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from wegent_crds.conditions import ConditionType
from wegent_crds.registry import API_VERSION, TASK, TOMBSTONE, Kind
from wegent_crds.well_known import (
    DELETED_BY,
    RESTORED_FROM,
    STORED_IN,
    TOMBSTONE_OF,
    TRASH_FINALIZER,
)
from wegent_operator.state.conditions import rfc3339
from wegent_operator.state.reading import items, mapping
from wegent_operator.trash.field_managers import without_annotation

NOT_KEPT: Final = frozenset({"deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"})
"""Metadata that is about the object's deletion and storage, not the object."""
LEAN_MESSAGE: Final = 1024
"""Characters of a condition's message in a Tombstone that has no room for all of it."""
NOT_RESTORED: Final = frozenset(
    {
        # The API server's own to give.
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        # Not taken at creation; they are given back afterwards.
        "managedFields",
        # Promises of controllers that were kept when the object went. A controller that needs
        # one adds it again. An owner may be gone, and garbage collection would delete the object
        # again.
        "finalizers",
        "ownerReferences",
    }
)


def tombstone_name(kind: Kind, uid: str) -> str:
    """Return the name of an object's Tombstone: by uid, so that writing it twice is harmless."""
    return f"{kind.singular}-{uid}"


def tombstone_of(
    kind: Kind, body: Mapping[str, Any], now: datetime, retention: timedelta
) -> dict[str, Any]:
    """Return the Tombstone of a deleted object.

    The object's labels and annotations stay inside the stored object. On the Tombstone they
    would make it belong to whatever tracks the object by them (Argo CD, Flux, kapp), which would
    prune it.
    """
    metadata = body["metadata"]
    # A policy lets users set it to their own name alone. It may be that of an earlier try.
    deleter = (metadata.get("annotations") or {}).get(DELETED_BY)
    return {
        "apiVersion": API_VERSION,
        "kind": TOMBSTONE.kind,
        "metadata": {
            "name": tombstone_name(kind, metadata["uid"]),
            "namespace": metadata["namespace"],
            "labels": {TOMBSTONE_OF: kind.plural},
        },
        "spec": {
            "kind": kind.kind,
            "name": metadata["name"],
            "object": _kept(body),
            "deletedAt": metadata["deletionTimestamp"],
            **({"deletedBy": deleter} if deleter else {}),
            "expiresAt": rfc3339(now + retention),
        },
    }


def restored(tombstone: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object that a Tombstone brings back, as it is to be created."""
    kept = tombstone["spec"]["object"]
    metadata = {name: value for name, value in kept["metadata"].items() if name not in NOT_RESTORED}
    annotations = metadata.get("annotations") or {}
    metadata["annotations"] = {**annotations, RESTORED_FROM: tombstone["metadata"]["name"]}
    # Names are the Tombstone's own word: what it holds is only ever restored beside it.
    metadata |= {
        "name": tombstone["spec"]["name"],
        "namespace": tombstone["metadata"]["namespace"],
    }
    return {
        "apiVersion": kept["apiVersion"],
        "kind": tombstone["spec"]["kind"],
        "metadata": metadata,
        "spec": kept["spec"],
    }


def is_restored(body: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Tell whether an object is ``wanted``, created by an earlier try to restore it.

    The annotation alone is no proof where no policy guards it. An object that has all that is
    to come back is proof enough: with it nothing is lost.
    """
    metadata = ("labels", "annotations")
    return _has(body["spec"], wanted["spec"]) and all(
        _has(body["metadata"].get(field) or {}, wanted["metadata"].get(field) or {})
        for field in metadata
    )


def _has(value: Any, wanted: Any) -> bool:
    """Tell whether ``value`` is ``wanted``, or that with defaults filled in."""
    if isinstance(wanted, Mapping):
        return isinstance(value, Mapping) and all(
            name in value and _has(value[name], item) for name, item in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(value, list)
            and len(value) == len(wanted)
            and all(_has(*pair) for pair in zip(value, wanted, strict=True))
        )
    return bool(value == wanted)


def add_finalizer_patch(version: int | str, finalizers: Iterable[str]) -> dict[str, Any]:
    """Return the merge patch that adds the finalizer, guarded by the version."""
    return _finalizers_patch(version, [*finalizers, TRASH_FINALIZER])


def remove_finalizer_patch(version: int | str, finalizers: Iterable[str]) -> dict[str, Any]:
    """Return the merge patch that removes the finalizer, guarded by the version."""
    return _finalizers_patch(version, others(finalizers))


def freeze_patch(uid: str, tombstone: str | None) -> dict[str, Any]:
    """Return the merge patch after which only the operator writes to an object; None: to undo it.

    It names no version, so that it succeeds however often the object changes.
    """
    return {"metadata": {"uid": uid, "annotations": {STORED_IN: tombstone}}}


def is_frozen(body: Mapping[str, Any]) -> bool:
    """Tell whether only the operator writes to an object."""
    return STORED_IN in (body["metadata"].get("annotations") or {})


def others(finalizers: Iterable[str]) -> list[str]:
    """Return the finalizers of other controllers."""
    return [finalizer for finalizer in finalizers if finalizer != TRASH_FINALIZER]


def lean(tombstone: Mapping[str, Any]) -> dict[str, Any]:
    """Return a smaller Tombstone, for an object that fills etcd's limit by itself.

    Field owners are left out, and so are the object's owners, which don't come back anyway, and
    a status that the operator writes again. A Task's status stays, with shorter messages: it
    holds the result of its work. With the bounds on metadata (the policy wegent-bounds) there is
    then room for every object that could be stored.
    """
    kept = tombstone["spec"]["object"]
    smaller = {
        **kept,
        "metadata": {
            name: value
            for name, value in kept["metadata"].items()
            if name not in {"managedFields", "ownerReferences"}
        },
    }
    status = smaller.pop("status", None)
    if tombstone["spec"]["kind"] == TASK.kind and isinstance(status, Mapping):
        smaller["status"] = {
            **status,
            "conditions": [
                {**it, "message": it.get("message", "")[:LEAN_MESSAGE]}
                for it in status.get("conditions") or ()
            ],
        }
    return {**tombstone, "spec": {**tombstone["spec"], "object": smaller}}


def _finalizers_patch(version: int | str, finalizers: list[str]) -> dict[str, Any]:
    # A merge patch replaces the whole list, which is right for this version of the object alone.
    # To a stale version the API server answers 409, which it answers to few other things; the
    # failed test of a JSON patch is 422, as is the refusal of a third party's policy.
    return {"metadata": {"resourceVersion": str(version), "finalizers": finalizers or None}}


def _kept(body: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {name: value for name, value in body["metadata"].items() if name not in NOT_KEPT}
    metadata["finalizers"] = others(metadata.get("finalizers") or ())
    annotations = mapping(metadata.get("annotations"))
    if gone := annotations.keys() & {STORED_IN, DELETED_BY}:
        del metadata["annotations"]
        if left := {name: it for name, it in annotations.items() if name not in gone}:
            metadata["annotations"] = left
        if "managedFields" in metadata:
            for name in gone:
                metadata["managedFields"] = without_annotation(metadata["managedFields"], name)
    kept = {**body, "metadata": metadata}
    status = mapping(body.get("status"))
    if conditions := items(status.get("conditions")):
        # That the deletion hung is not the object's any more once it is in the trash.
        others_say = [it for it in conditions if mapping(it).get("type") != ConditionType.DELETED]
        kept["status"] = {**status, "conditions": others_say}
    return kept
