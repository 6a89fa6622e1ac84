"""Tombstone: a deleted object as it was, and the way back."""

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
            # One owner for all of it, so that managedFields doesn't name each field again.
            "x-kubernetes-map-type": "atomic",
        }
    ),
]
"""An object whose fields are another kind's business."""


TrashedKind = Literal["Bot", "Ghost", "Model", "Shell", "Skill", "Task", "Team"]


class TombstoneSpec(Schema):
    """What was deleted, and whether it is wanted back."""

    kind: TrashedKind
    """Kind of the deleted object."""
    name: ResourceName
    """Name of the deleted object; it was, and will be again, in this namespace."""
    object: AnyObject
    """The deleted object as it was: metadata, spec and status."""
    deleted_at: Timestamp
    """When it was deleted."""
    deleted_by: Annotated[str, Field(max_length=1024)] | None = None
    """Kubernetes user name of the user who deleted it, as far as the API server could tell: over
    REST it can, `kubectl delete` leaves no name."""
    expires_at: Timestamp
    """When the Tombstone goes too, and the object for good."""
    restore: bool = False
    """Set to true to bring the object back; the Tombstone then goes."""


class Tombstone(CustomResource):
    """A Tombstone holds a deleted object. Only the operator makes one.

    Everything but ``spec.restore`` stays as it is: a policy refuses other changes. Deleting a
    Tombstone deletes the object for good.
    """

    columns = (
        Column("Kind", ".spec.kind"),
        Column("Object", ".spec.name"),
        Column("Deleted", ".spec.deletedAt", "date"),
        Column("Expires", ".spec.expiresAt"),
        Column("Restore", ".spec.restore", "boolean", priority=1),
    )
    selectable = (".spec.kind", ".spec.name")

    kind: Literal["Tombstone"]
    """Name of the kind."""
    spec: TombstoneSpec
    """What was deleted, and whether it is wanted back."""
