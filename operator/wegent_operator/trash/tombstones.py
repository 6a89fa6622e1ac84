"""Conversions between objects and their Tombstones, and patches of the finalizer. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from wegent_crds.conditions import ConditionType
from wegent_crds.reading import items, mapping
from wegent_crds.registry import API_VERSION, TASK, TOMBSTONE, Kind
from wegent_crds.well_known import (
    DELETED_BY,
    MAX_FORMER_LIVES,
    RESTORED_FROM,
    STORED_IN,
    TOMBSTONE_OF,
    TRASH_FINALIZER,
    former_lives,
)
from wegent_operator.state.conditions import rfc3339
from wegent_operator.trash.field_managers import without_annotation

NOT_KEPT: Final = frozenset({"deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"})
"""Metadata that describes the object's deletion and storage, and isn't stored."""
LEAN_MESSAGE: Final = 1024
"""Characters of a condition's message in a Tombstone without room for the whole message."""
NOT_RESTORED: Final = frozenset(
    {
        # Set by the API server.
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        # Ignored at creation; patched afterwards.
        "managedFields",
        # Finalizers were removed when the object was deleted. A controller that needs one adds it
        # again. An owner may be gone; then garbage collection would delete the object again.
        "finalizers",
        "ownerReferences",
    }
)


def tombstone_name(kind: Kind, uid: str) -> str:
    """Return the name of an object's Tombstone. It contains the uid, so a repeat is harmless."""
    return f"{kind.singular}-{uid}"


def tombstone_of(
    kind: Kind, body: Mapping[str, Any], now: datetime, retention: timedelta
) -> dict[str, Any]:
    """Return the Tombstone of a deleted object.

    The object's labels and annotations stay inside the stored object. Tools that track objects
    by them (Argo CD, Flux, kapp) would otherwise treat the Tombstone as theirs and prune it. One
    annotation is repeated: a runner finds by it, in a list of metadata, the transcript of a Task
    that was restored and deleted again.
    """
    metadata = body["metadata"]
    former = (metadata.get("annotations") or {}).get(RESTORED_FROM)
    # A policy lets users set only their own name here. The value may come from an earlier try.
    deleter = (metadata.get("annotations") or {}).get(DELETED_BY)
    return {
        "apiVersion": API_VERSION,
        "kind": TOMBSTONE.kind,
        "metadata": {
            "name": tombstone_name(kind, metadata["uid"]),
            "namespace": metadata["namespace"],
            "labels": {TOMBSTONE_OF: kind.plural},
            **({"annotations": {RESTORED_FROM: former}} if former else {}),
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
    """Return the manifest with which the object of a Tombstone is recreated."""
    kept = tombstone["spec"]["object"]
    metadata = {name: value for name, value in kept["metadata"].items() if name not in NOT_RESTORED}
    annotations = metadata.get("annotations") or {}
    lives = [tombstone["metadata"]["name"]]
    if tombstone["spec"]["kind"] == TASK.kind:
        lives += former_lives(annotations)
    metadata["annotations"] = {**annotations, RESTORED_FROM: " ".join(lives[:MAX_FORMER_LIVES])}
    # Names come from the Tombstone itself, so that a restore stays in the Tombstone's namespace.
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
    """Return whether an object contains all of ``wanted``, and so comes from an earlier restore.

    The annotation alone is not proof in a cluster without the policy that protects it. An object
    with the complete content is proof enough, because nothing is lost then.
    """
    metadata = ("labels", "annotations")
    return _has(body["spec"], wanted["spec"]) and all(
        _has(body["metadata"].get(field) or {}, wanted["metadata"].get(field) or {})
        for field in metadata
    )


def _has(value: Any, wanted: Any) -> bool:
    """Return whether ``value`` equals ``wanted``, apart from added defaults."""
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
    """Return the merge patch that stops edits by others; with None, the patch that allows them.

    The patch names no version, so that it succeeds even if the object keeps changing.
    """
    return {"metadata": {"uid": uid, "annotations": {STORED_IN: tombstone}}}


def is_frozen(body: Mapping[str, Any]) -> bool:
    """Return whether only the operator may edit an object."""
    return STORED_IN in (body["metadata"].get("annotations") or {})


def others(finalizers: Iterable[str]) -> list[str]:
    """Return the finalizers of other controllers."""
    return [finalizer for finalizer in finalizers if finalizer != TRASH_FINALIZER]


def lean(tombstone: Mapping[str, Any]) -> dict[str, Any]:
    """Return a smaller Tombstone, for an object whose size reaches etcd's limit by itself.

    It omits the managedFields, the ownerReferences, which are not restored anyway, and a status
    that the operator writes again. A Task's status stays, because it contains the result of the
    work, with shorter messages and without ``ran``, which the transcript has too. With the limits
    on metadata (the policy wegent-bounds), each object that could be stored then fits.
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
            **{field: value for field, value in status.items() if field != "ran"},
            "conditions": [
                {**it, "message": it.get("message", "")[:LEAN_MESSAGE]}
                for it in status.get("conditions") or ()
            ],
        }
    return {**tombstone, "spec": {**tombstone["spec"], "object": smaller}}


def _finalizers_patch(version: int | str, finalizers: list[str]) -> dict[str, Any]:
    # A merge patch replaces the whole list, which is correct only for this version of the object.
    # For a stale version the API server answers 409, a code with few other causes. The failed
    # test of a JSON patch is 422, and so is the refusal of a third party's policy.
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
        # The condition Deleted doesn't apply any more once the object is in the trash.
        others_say = [it for it in conditions if mapping(it).get("type") != ConditionType.DELETED]
        kept["status"] = {**status, "conditions": others_say}
    return kept
