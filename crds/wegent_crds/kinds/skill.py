"""Skill: a capability that Ghosts use."""

from typing import Annotated, Literal

from pydantic import Field

from wegent_crds.schema.custom_resource import Column, CustomResource
from wegent_crds.schema.extensions import SET
from wegent_crds.schema.fields import PROMPT_MAX_CHARACTERS, ReferableSpec

Tag = Annotated[str, Field(min_length=1, max_length=63)]


class SkillSpec(ReferableSpec):
    """What the Skill is."""

    description: Annotated[str, Field(min_length=1, max_length=1024, examples=["Reviews a diff"])]
    """What the Skill is for, and when to use it."""
    content: Annotated[str, Field(max_length=PROMPT_MAX_CHARACTERS)] | None = None
    """The SKILL.md: up to 131,072 characters."""
    version: (
        Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z][-0-9A-Za-z.+_]*$")]
        | None
    ) = None
    """Version of the content, such as 1.2.0."""
    tags: Annotated[list[Tag], Field(max_length=32), SET] | None = None
    """Words to find it by."""
    author: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Who wrote it."""


class Skill(CustomResource):
    """A Skill is a capability that Ghosts use."""

    columns = (
        Column("Version", ".spec.version"),
        Column("Author", ".spec.author"),
        Column("Description", ".spec.description", priority=1),
    )
    selectable = (".spec.version", ".spec.author")

    kind: Literal["Skill"]
    """Name of the kind."""
    spec: SkillSpec
    """What the Skill is."""
