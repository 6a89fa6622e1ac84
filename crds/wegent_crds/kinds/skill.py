"""Skill: a capability of Ghosts."""

from typing import Annotated, Literal

from pydantic import Field

from wegent_crds.schema.custom_resource import Column, CustomResource
from wegent_crds.schema.extensions import SET
from wegent_crds.schema.fields import PROMPT_MAX_CHARACTERS, ReferableSpec

Tag = Annotated[str, Field(min_length=1, max_length=63)]


class SkillSpec(ReferableSpec):
    """SkillSpec describes a capability."""

    description: Annotated[str, Field(min_length=1, max_length=1024, examples=["Reviews a diff"])]
    """Purpose of the Skill and the situations to use it in, 1 to 1,024 characters."""
    content: Annotated[str, Field(max_length=PROMPT_MAX_CHARACTERS)] | None = None
    """Content of the SKILL.md with the instructions, at most 131,072 characters."""
    version: (
        Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z][-0-9A-Za-z.+_]*$")]
        | None
    ) = None
    """Version of the content, such as 1.2.0, at most 64 characters."""
    tags: Annotated[list[Tag], Field(max_length=32), SET] | None = None
    """Keywords for searches, at most 32 of at most 63 characters, each once."""
    author: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Author of the Skill, at most 253 characters."""


class Skill(CustomResource):
    """Skill is a capability of Ghosts: a description and a SKILL.md."""

    columns = (
        Column("Version", ".spec.version"),
        Column("Author", ".spec.author"),
        Column("Description", ".spec.description", priority=1),
    )
    selectable = (".spec.version", ".spec.author")

    kind: Literal["Skill"]
    """Name of the kind: Skill."""
    spec: SkillSpec
    """Specification of the capability."""
