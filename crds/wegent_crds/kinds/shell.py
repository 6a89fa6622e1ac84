"""Shell: the runtime of a Bot."""

from typing import Annotated, Literal

from pydantic import Field

from wegent_crds.schema.custom_resource import Column, CustomResource
from wegent_crds.schema.extensions import SET
from wegent_crds.schema.fields import Description, Provider, ReferableSpec

BaseImage = Annotated[
    str, Field(min_length=1, max_length=512, pattern=r"^[A-Za-z0-9][-A-Za-z0-9._:/@]*$")
]
ShellType = Literal["Chat", "ClaudeCode", "Agno", "Dify", "Codex"]


class ShellSpec(ReferableSpec):
    """ShellSpec describes a runtime."""

    type: ShellType
    """Type of the runtime. If no runner serves it, Bots with the Shell have the condition Served
    with the status False and the reason ShellNotServed."""
    description: Description | None = None
    """Human-readable description of the Shell, at most 1,024 characters."""
    supported_providers: Annotated[list[Provider], Field(max_length=64), SET] | None = None
    """Providers whose Models can be combined with the Shell, at most 64, each once. An empty list
    supports all providers. Defaults to all providers."""
    base_image: BaseImage | None = None
    """Container image of the runtime, at most 512 characters. Defaults to the runtime's own
    image."""


class Shell(CustomResource):
    """Shell is a runtime of Bots."""

    columns = (
        Column("Type", ".spec.type"),
        Column("Description", ".spec.description", priority=1),
        Column("Image", ".spec.baseImage", priority=1),
    )
    selectable = (".spec.type",)

    kind: Literal["Shell"]
    """Name of the kind: Shell."""
    spec: ShellSpec
    """Specification of the runtime."""
