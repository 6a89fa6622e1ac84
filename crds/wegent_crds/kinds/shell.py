"""Shell: the runtime that a Bot runs in."""

from typing import Annotated, Literal

from pydantic import Field

from wegent_crds.schema.custom_resource import Column, CustomResource
from wegent_crds.schema.extensions import SET
from wegent_crds.schema.fields import Description, Provider, ReferableSpec

BaseImage = Annotated[
    str, Field(min_length=1, max_length=512, pattern=r"^[A-Za-z0-9][-A-Za-z0-9._:/@]*$")
]


class ShellSpec(ReferableSpec):
    """Which runtime."""

    type: Literal["Chat", "ClaudeCode", "Agno", "Dify", "Codex"]
    """Kind of runtime."""
    description: Description | None = None
    """What the Shell is for, in words for people."""
    supported_providers: Annotated[list[Provider], Field(max_length=64), SET] | None = None
    """Providers of Models that it takes; empty or left out: all."""
    base_image: BaseImage | None = None
    """Container image that it runs in; the runtime's own when left out."""


class Shell(CustomResource):
    """A Shell is a runtime that Bots run in."""

    columns = (
        Column("Type", ".spec.type"),
        Column("Description", ".spec.description"),
        Column("Image", ".spec.baseImage", priority=1),
    )
    selectable = (".spec.type",)

    kind: Literal["Shell"]
    """Name of the kind."""
    spec: ShellSpec
    """Which runtime."""
