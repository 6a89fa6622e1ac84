"""Bot: an agent that combines a Ghost, a Shell and a Model by reference."""

from typing import Literal

from wegent_crds.schema.custom_resource import SERVED_COLUMN, Column, CustomResource
from wegent_crds.schema.fields import Description, ObjectReference, ReferableSpec


class BotSpec(ReferableSpec):
    """BotSpec describes the parts of a Bot."""

    ghost_ref: ObjectReference
    """Reference to the Ghost that provides the prompt, the skills and the tools. If the Ghost does
    not exist, ResolvedRefs and Ready are False with the reason RefNotFound."""
    model_ref: ObjectReference | None = None
    """Reference to the Model to call. Without one, the Team or the Task names the Model; if neither
    does, the Task's Ready is False with the reason ModelNotBound. If the Model does not exist,
    ResolvedRefs and Ready are False with the reason RefNotFound."""
    shell_ref: ObjectReference
    """Reference to the Shell, the runtime of the Bot. If the Shell does not exist, ResolvedRefs and
    Ready are False with the reason RefNotFound. If it does not support the Model's provider, Ready
    is False with the reason ProviderNotSupported."""
    description: Description | None = None
    """Human-readable description of the Bot, at most 1,024 characters."""


class Bot(CustomResource):
    """Bot is an agent that does work. It combines a Ghost, a Model and a Shell."""

    columns = (
        Column("Ghost", ".spec.ghostRef.name", priority=1),
        Column("Model", ".spec.modelRef.name"),
        Column("Shell", ".spec.shellRef.name", priority=1),
        SERVED_COLUMN,
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
    """Name of the kind: Bot."""
    spec: BotSpec
    """Specification of the Bot: references to its Ghost, Model and Shell."""
