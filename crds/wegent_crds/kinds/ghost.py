"""Ghost: the character of a Bot, which is a system prompt with skills and tools."""

from typing import Annotated, Literal

from pydantic import Field

from wegent_crds.schema.custom_resource import Column, CustomResource
from wegent_crds.schema.extensions import map_by
from wegent_crds.schema.fields import Description, ListedReference, Prompt, ReferableSpec
from wegent_crds.schema.mcp_servers import McpServers


class GhostSpec(ReferableSpec):
    """GhostSpec describes the character of a Bot."""

    system_prompt: Annotated[Prompt, Field(examples=["You are a helpful coding assistant."])]
    """System prompt: the instructions that precede every conversation with the LLM, 1 to 131,072
    characters."""
    description: Description | None = None
    """Human-readable description of the Ghost, at most 1,024 characters."""
    skill_refs: (
        Annotated[list[ListedReference], Field(max_length=64), map_by("namespace", "name")] | None
    ) = None
    """References to the Skills of the Ghost, at most 64, each Skill once. If a Skill does not
    exist, ResolvedRefs and Ready are False with the reason RefNotFound."""
    mcp_servers: McpServers | None = None
    """Tools of the Ghost: servers of the Model Context Protocol by name, at most 16. A server
    replaces one of the same name that a Skill brings."""


class Ghost(CustomResource):
    """Ghost is the character of a Bot: a system prompt with skills and tools."""

    columns = (
        Column("Description", ".spec.description", priority=1),
        Column("Tools", '.status.conditions[?(@.type=="ToolsServed")].reason', priority=1),
    )

    kind: Literal["Ghost"]
    """Name of the kind: Ghost."""
    spec: GhostSpec
    """Specification of the Ghost: its prompt, skills and tools."""
