"""Skill: a capability of Ghosts."""

from typing import Annotated, Final, Literal

from pydantic import Field

from wegent_crds.schema.custom_resource import Column, CustomResource
from wegent_crds.schema.extensions import NULLS_DROPPED, SET, Rule, keys_match
from wegent_crds.schema.fields import PROMPT_MAX_CHARACTERS, ReferableSpec
from wegent_crds.schema.mcp_servers import McpServers

_SEGMENT: Final = "[A-Za-z0-9_][-A-Za-z0-9_.]{0,62}"
FILE_PATH: Final = f"^{_SEGMENT}(/{_SEGMENT}){{0,7}}$"
"""Path of a file. No segment begins with a dot, so none is ``.`` or ``..``."""

FILE_MAX_CHARACTERS: Final = 65536
"""Of one file. The LLM reads a file as a whole, and results of tools are cut at 64 KiB."""

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
    files: (
        Annotated[
            dict[str, Annotated[str, Field(max_length=FILE_MAX_CHARACTERS)]],
            Field(max_length=64),
            keys_match(
                FILE_PATH,
                "names must be relative paths of up to 8 parts, each with up to 63 letters,"
                " digits, underscores, dashes and dots, and with no dot or dash first",
            ),
            NULLS_DROPPED,
        ]
        | None
    ) = None
    """Texts that the content refers to, by path, at most 64 of at most 65,536 characters each.
    The LLM reads each when it needs it. Together with the content, they have at most 131,072
    characters."""
    mcp_servers: McpServers | None = None
    """Tools that the Skill brings to its Ghosts: servers of the Model Context Protocol by name, at
    most 16."""

    rules = (
        Rule(
            cel="(has(self.content) ? size(self.content) : 0)"
            " + (has(self.files)"
            " ? self.files.map(path, size(path) + size(self.files[path])).sum() : 0)"
            f" <= {PROMPT_MAX_CHARACTERS}",
            message="content and files together may have at most"
            f" {PROMPT_MAX_CHARACTERS} characters",
            check=lambda self: (
                len(self.content or "")
                + sum(len(path) + len(text) for path, text in (self.files or {}).items())
                <= PROMPT_MAX_CHARACTERS
            ),
        ),
    )


class Skill(CustomResource):
    """Skill is a capability of Ghosts: a description and a SKILL.md."""

    columns = (
        Column("Version", ".spec.version"),
        Column("Author", ".spec.author", priority=1),
        Column("Description", ".spec.description", priority=1),
    )
    selectable = (".spec.version", ".spec.author")

    kind: Literal["Skill"]
    """Name of the kind: Skill."""
    spec: SkillSpec
    """Specification of the capability."""
