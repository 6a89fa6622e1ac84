"""The admission policies of the trash: the finalizer, and Tombstones of other users' objects."""

from typing import Any

from codegen.policy_parts import (
    ADD_FINALIZER,
    IS_OPERATOR,
    MAY_BYPASS,
    MAY_PURGE,
    TRASHED,
    USER,
    annotation,
    has_finalizer,
    mutating,
    validating,
)
from wegent_crds.registry import GROUP, KINDS, TASK, TOMBSTONE
from wegent_crds.well_known import CHANGED_BY, CREATED_BY, STORED_IN, TRASH_FINALIZER


def stamp_finalizer() -> dict[str, Any]:
    """On creation, add the trash's finalizer."""
    return mutating(
        "wegent-trash",
        ["CREATE"],
        TRASHED,
        {"not-held": f"!({has_finalizer('object')})"},
        ADD_FINALIZER,
    )


def guard_finalizer() -> dict[str, Any]:
    """Let only the operator, and holders of `bypass`, remove the trash's finalizer."""
    return validating(
        "wegent-trash",
        ["UPDATE"],
        TRASHED,
        {"let-go": f"{has_finalizer('oldObject')} && !({has_finalizer('object')})"},
        [
            (
                f"{IS_OPERATOR} || {MAY_BYPASS}",
                (
                    f"metadata.finalizers: only Wegent's operator removes {TRASH_FINALIZER}, once"
                    " the object is kept in a Tombstone; without the operator, a holder of the"
                    " verb bypass on tombstones may remove it, and the object is then lost"
                ),
            )
        ],
    )


def guard_stored() -> dict[str, Any]:
    """Refuse edits of an object between its storage in the Tombstone and its removal.

    The API server checks the version of the patch that removes the last finalizer, and then deletes
    the object, whatever its version is by then. An edit between the two steps would be answered 200
    and lost.

    The condition asks for the trash's finalizer alone, so that another controller can always
    remove its own.
    """
    policy = validating(
        "wegent-stored",
        ["UPDATE"],
        [name for plural in TRASHED for name in (plural, f"{plural}/status")],
        {
            "stored": (
                "has(oldObject.metadata.deletionTimestamp)"
                f" && {annotation('oldObject', STORED_IN)} != ''"
                f" && oldObject.metadata.?finalizers.orValue([]) == ['{TRASH_FINALIZER}']"
            )
        },
        [
            (
                f"{IS_OPERATOR} || (!({has_finalizer('object')}) && {MAY_BYPASS})",
                (
                    "metadata: the object is being deleted and is now stored in its Tombstone; an"
                    " edit would be lost. Restore it from the Tombstone, then edit it"
                ),
            )
        ],
    )
    # The reason is not Forbidden, as no rights allow edits of an object that is about to go.
    policy["spec"]["validations"][0]["reason"] = "Invalid"
    return policy


def guard_tombstones() -> dict[str, Any]:
    """Keep Tombstones unchanged, and let only a few users delete them.

    The user who deleted an object is not among those few. Otherwise, two deletions by any editor of
    a shared namespace would destroy an object of another user.
    """
    fields = ("kind", "name", "object", "deletedAt", "expiresAt")
    frozen = " && ".join(f"object.spec.{field} == oldObject.spec.{field}" for field in fields)
    frozen += " && object.spec.?deletedBy == oldObject.spec.?deletedBy"
    updating = "request.operation != 'UPDATE' || "
    owners, finalizers = (
        f"object.metadata.?{field}.orValue([]).all(it,"
        f" it in oldObject.metadata.?{field}.orValue([]))"
        for field in ("ownerReferences", "finalizers")
    )
    same = " && ".join(
        f"{one}.metadata.?annotations.orValue({{}}).all(key, key == '{CHANGED_BY}' ||"
        f" {other}.metadata.?annotations[?key] == {one}.metadata.?annotations[?key])"
        for one, other in (("object", "oldObject"), ("oldObject", "object"))
    )
    same += " && object.metadata.?labels.orValue({}) == oldObject.metadata.?labels.orValue({})"
    creator = f"oldObject.spec.object.?metadata.?annotations[?'{CREATED_BY}'].orValue('')"
    return validating(
        "wegent-tombstones",
        ["CREATE", "UPDATE", "DELETE"],
        [TOMBSTONE.plural],
        {"not-the-operator": f"!({IS_OPERATOR})"},
        [
            (
                "request.operation != 'CREATE'",
                "only Wegent's operator makes Tombstones, when an object is deleted",
            ),
            (
                f"{updating}({frozen})",
                "spec: only restore can be changed in a Tombstone",
            ),
            (
                # The garbage collector would delete a Tombstone with a made-up owner.
                f"{updating}({owners} && ({finalizers} || {MAY_BYPASS}))",
                (
                    "metadata: a Tombstone takes neither ownerReferences nor finalizers; it must go"
                    " when it expires, and not before"
                ),
            ),
            (
                f"{updating}({same}) || {MAY_PURGE}",
                (
                    "metadata: labels and annotations of a Tombstone can't be changed without the"
                    " verb purge on tombstones, which wegent-admin has"
                ),
            ),
            (
                (
                    f"request.operation != 'DELETE' || {creator} == {USER}"
                    # The deletion of a namespace deletes its Tombstones. The garbage collector
                    # isn't allowed to: it would delete a Tombstone with a made-up owner.
                    f" || has(namespaceObject.metadata.deletionTimestamp) || {MAY_PURGE}"
                ),
                (
                    "a Tombstone is deleted by the user who created the object, or with the verb"
                    " purge on tombstones, which wegent-admin has; without that it goes at"
                    " spec.expiresAt"
                ),
            ),
        ],
    )


def guard_lifetimes() -> dict[str, Any]:
    """Refuse indirect ways of deletion to users who may not delete the object."""
    owners = "object.metadata.?ownerReferences.orValue([])"
    return validating(
        "wegent-owners",
        ["UPDATE"],
        [kind.plural for kind in KINDS if kind is not TOMBSTONE],
        {"not-the-operator": f"!({IS_OPERATOR})"},
        [
            (
                (
                    f"{owners}.all(it, it in oldObject.metadata.?ownerReferences.orValue([]))"
                    f" || authorizer.group('{GROUP}').resource(request.resource.resource)"
                    ".namespace(request.namespace).name(request.name).check('delete').allowed()"
                ),
                (
                    "metadata.ownerReferences: garbage collection deletes an object whose owners"
                    " are gone; only a user who may delete the object can add owners to it"
                ),
            )
        ],
    )


def guard_task_expiry() -> dict[str, Any]:
    """Guard the expiry of finished Tasks from editors, since it skips the trash."""
    ttl = "spec.?ttlSecondsAfterFinished"
    return validating(
        "wegent-task-expiry",
        ["UPDATE"],
        [TASK.plural],
        {
            "sooner": (
                f"object.{ttl}.hasValue() && (!oldObject.{ttl}.hasValue()"
                f" || object.{ttl}.value() < oldObject.{ttl}.value())"
            ),
            "not-the-creator": f"{annotation('oldObject', CREATED_BY)} != {USER}",
        },
        [
            (
                MAY_PURGE,
                (
                    "spec.ttlSecondsAfterFinished: a Task goes past the trash when its time is up;"
                    " only its creator, and users with the verb purge on tombstones, can set or"
                    " shorten it"
                ),
            )
        ],
    )
