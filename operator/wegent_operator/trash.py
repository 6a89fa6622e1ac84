"""The trash, pure: what a Tombstone keeps of an object, and what comes back of it."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from wegent_crds.kinds import API_VERSION, TOMBSTONE, Kind
from wegent_crds.marks import RESTORED_FROM, TOMBSTONE_OF, TRASH_FINALIZER

NOT_KEPT: Final = frozenset(
    {"managedFields", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"}
)
"""Metadata that is about the object's storage, not the object."""
NOT_RESTORED: Final = frozenset(
    {
        # The API server's own to give.
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        # Promises of controllers that were kept when the object went; whoever needs one makes
        # it anew. An owner may be gone, and garbage collection would delete the object again.
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

    It carries the object's labels, so that what was made together is found together.
    """
    metadata = body["metadata"]
    return {
        "apiVersion": API_VERSION,
        "kind": TOMBSTONE.kind,
        "metadata": {
            "name": tombstone_name(kind, metadata["uid"]),
            "namespace": metadata["namespace"],
            "labels": {**(metadata.get("labels") or {}), TOMBSTONE_OF: kind.plural},
        },
        "spec": {
            "kind": kind.kind,
            "name": metadata["name"],
            "object": _kept(body),
            "deletedAt": metadata["deletionTimestamp"],
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


def is_restored_from(body: Mapping[str, Any], tombstone: str) -> bool:
    """Tell whether an object is what that Tombstone brought back."""
    annotations = body["metadata"].get("annotations") or {}
    return bool(annotations.get(RESTORED_FROM) == tombstone)


def hold_patch(version: int, finalizers: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the JSON patch that puts the finalizer on, guarded by the version."""
    add = (
        {"op": "add", "path": "/metadata/finalizers/-", "value": TRASH_FINALIZER}
        if finalizers
        else {"op": "add", "path": "/metadata/finalizers", "value": [TRASH_FINALIZER]}
    )
    return [_guard(version), add]


def release_patch(version: int, finalizers: Iterable[str]) -> list[dict[str, Any]]:
    """Return the JSON patch that takes the finalizer off, guarded by the version."""
    path = f"/metadata/finalizers/{list(finalizers).index(TRASH_FINALIZER)}"
    return [
        _guard(version),
        {"op": "test", "path": path, "value": TRASH_FINALIZER},
        {"op": "remove", "path": path},
    ]


def rfc3339(moment: datetime) -> str:
    """Return a time as Kubernetes writes it: UTC, in seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _guard(version: int) -> dict[str, Any]:
    return {"op": "test", "path": "/metadata/resourceVersion", "value": str(version)}


def _kept(body: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {name: value for name, value in body["metadata"].items() if name not in NOT_KEPT}
    metadata["finalizers"] = [
        finalizer for finalizer in metadata["finalizers"] if finalizer != TRASH_FINALIZER
    ]
    return {**body, "metadata": metadata}
