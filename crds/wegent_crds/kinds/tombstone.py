"""Tombstone: a deleted object, which can be restored."""

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from wegent_crds.schema.base import Schema
from wegent_crds.schema.custom_resource import Column, CustomResource
from wegent_crds.schema.fields import ResourceName
from wegent_crds.schema.status import Timestamp

AnyObject = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            # One owner for the whole object, so that managedFields doesn't list each field again.
            "x-kubernetes-map-type": "atomic",
        }
    ),
]
"""An object of another kind. Its fields are not validated here."""


TrashedKind = Literal["Bot", "Ghost", "Model", "Shell", "Skill", "Task", "Team"]


class TombstoneSpec(Schema):
    """TombstoneSpec holds a deleted object and the request to restore it."""

    kind: TrashedKind
    """Kind of the deleted object."""
    name: ResourceName
    """Name of the deleted object. The object was in the namespace of the Tombstone, and is restored
    there."""
    object: AnyObject
    """Deleted object with its metadata, spec and status."""
    deleted_at: Timestamp
    """Time of the deletion in RFC 3339 form."""
    deleted_by: Annotated[str, Field(max_length=1024)] | None = None
    """Kubernetes user name of the user who deleted the object. Set for deletions over REST; a
    deletion with kubectl delete doesn't record the user."""
    expires_at: Timestamp
    """Time after which the operator deletes the Tombstone and with it the object for good, in
    RFC 3339 form."""
    restore: bool = False
    """Specifies whether to restore the object. If true, the operator creates the object again and
    deletes the Tombstone. If another object has the name, Ready is False with the reason NameTaken.
    Defaults to false."""


class Tombstone(CustomResource):
    """Tombstone holds a deleted object, so that it can be restored. The operator creates it.

    Only ``spec.restore`` can be changed: an admission policy rejects other changes. Deleting a
    Tombstone deletes the object for good.
    """

    # A name has a kind and a uid, up to 42 characters. That leaves room for the object and the age,
    # which tells apart the Tombstones of two objects with the same name.
    columns = (
        Column("Object", ".spec.name"),
        Column("Kind", ".spec.kind", priority=1),
        Column("Deleted", ".spec.deletedAt", "date", priority=1),
        Column("Expires", ".spec.expiresAt", priority=1),
        Column("Restore", ".spec.restore", "boolean", priority=1),
    )
    wide_columns = ("Ready", "Reason")
    selectable = (".spec.kind", ".spec.name")

    kind: Literal["Tombstone"]
    """Name of the kind: Tombstone."""
    spec: TombstoneSpec
    """Specification of the deleted object and of its restoration."""
