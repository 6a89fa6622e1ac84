"""Bot: a Ghost, a Model and a Shell, joined by reference."""

from typing import Literal

from wegent_crds.schema.custom_resource import Column, CustomResource
from wegent_crds.schema.fields import Description, ObjectReference, ReferableSpec


class BotSpec(ReferableSpec):
    """What the Bot is made of."""

    ghost_ref: ObjectReference
    """Ghost that the Bot is: its prompt, skills and tools."""
    model_ref: ObjectReference
    """Model that it thinks with."""
    shell_ref: ObjectReference
    """Shell that it runs in; it must take the Model's provider."""
    description: Description | None = None
    """What the Bot is for, in words for people."""


class Bot(CustomResource):
    """A Bot joins a Ghost, a Model and a Shell: an agent that can be given work."""

    columns = (
        Column("Ghost", ".spec.ghostRef.name"),
        Column("Model", ".spec.modelRef.name"),
        Column("Shell", ".spec.shellRef.name"),
    )
    selectable = (
        ".spec.ghostRef.name",
        ".spec.ghostRef.namespace",
        ".spec.modelRef.name",
        ".spec.modelRef.namespace",
        ".spec.shellRef.name",
        ".spec.shellRef.namespace",
    )

    kind: Literal["Bot"]
    """Name of the kind."""
    spec: BotSpec
    """What the Bot is made of."""
