"""Ghost: the character of a Bot, which is a system prompt with skills and tools."""

from typing import Annotated, Final, Literal

from pydantic import Field

from wegent_crds.schema.base import Schema
from wegent_crds.schema.custom_resource import Column, CustomResource
from wegent_crds.schema.extensions import ATOMIC, NULLS_DROPPED, Rule, keys_match, map_by
from wegent_crds.schema.fields import (
    Description,
    HttpUrl,
    ListedReference,
    Prompt,
    ReferableSpec,
)

SERVER_MAX_CHARACTERS: Final = 4096
"""Of one MCP server. 16 servers and the prompt stay below etcd's limit, also when escaped."""

Argument = Annotated[str, Field(max_length=1024)]
HeaderValue = Annotated[str, Field(max_length=2048, pattern=r"^[\t -~]*$")]


class McpServer(Schema):
    """McpServer is a server of the Model Context Protocol: a program to start or a URL to call."""

    type: Literal["stdio", "sse", "http", "streamable-http"]
    """Transport of the server. With stdio, the Shell starts the command; with any other type, it
    calls the url."""
    command: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """Program to start, at most 1,024 characters. Required for stdio, not allowed for other
    types."""
    args: Annotated[list[Argument], Field(max_length=64), ATOMIC] | None = None
    """Arguments of the command, at most 64 of at most 1,024 characters each. Only for stdio."""
    env: (
        Annotated[
            dict[str, Annotated[str, Field(max_length=2048)]],
            Field(max_length=32),
            keys_match(
                r"^[A-Za-z_][A-Za-z0-9_]{0,127}$",
                "names must be letters, digits and underscores, with no digit first",
            ),
            NULLS_DROPPED,
        ]
        | None
    ) = None
    """Environment variables of the command by name, at most 32. Only for stdio. Every user who can
    read the Ghost can read the values, so they must not contain secrets."""
    url: HttpUrl | None = None
    """URL of the server: http:// or https:// without a user or a password, at most 2,048
    characters. Required for all types but stdio, for which it is not allowed."""
    headers: (
        Annotated[
            dict[str, HeaderValue],
            Field(max_length=32),
            keys_match(
                r"^[A-Za-z0-9_-]{1,128}$", "names must be letters, digits, dashes and underscores"
            ),
            NULLS_DROPPED,
        ]
        | None
    ) = None
    """HTTP headers of each request by name, at most 32. Not allowed for stdio. Every user who can
    read the Ghost can read the values, so they must not contain secrets."""

    rules = (
        Rule(
            cel="self.type != 'stdio' || "
            "(has(self.command) && !has(self.url) && !has(self.headers))",
            message="a stdio server requires command, and allows neither url nor headers",
            check=lambda self: (
                self.type != "stdio"
                or (self.command is not None and self.url is None and self.headers is None)
            ),
        ),
        Rule(
            cel="self.type == 'stdio' || "
            "(has(self.url) && !has(self.command) && !has(self.args) && !has(self.env))",
            message="a server that is not stdio requires url, and allows no command, args or env",
            check=lambda self: (
                self.type == "stdio"
                or (
                    self.url is not None
                    and self.command is None
                    and self.args is None
                    and self.env is None
                )
            ),
        ),
        Rule(
            # has() ? : rather than optionals, whose cost the API server can't estimate
            cel="(has(self.command) ? size(self.command) : 0)"
            " + (has(self.url) ? size(self.url) : 0)"
            " + (has(self.args) ? self.args.map(arg, size(arg)).sum() : 0)"
            " + (has(self.env)"
            " ? self.env.map(key, size(key) + size(self.env[key])).sum() : 0)"
            " + (has(self.headers)"
            " ? self.headers.map(key, size(key) + size(self.headers[key])).sum() : 0)"
            f" <= {SERVER_MAX_CHARACTERS}",
            message=f"all fields together may have at most {SERVER_MAX_CHARACTERS} characters",
            check=lambda self: self.characters() <= SERVER_MAX_CHARACTERS,
        ),
    )

    def characters(self) -> int:
        """Return the number of characters in all fields together."""
        pairs = [*(self.env or {}).items(), *(self.headers or {}).items()]
        texts = [self.command or "", self.url or "", *(self.args or [])]
        return sum(map(len, texts)) + sum(len(key) + len(value) for key, value in pairs)


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
    mcp_servers: (
        Annotated[
            dict[str, McpServer],
            Field(max_length=16),
            keys_match(
                r"^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
                "names must be 1 to 63 letters, digits, dashes, underscores and dots",
            ),
            NULLS_DROPPED,
        ]
        | None
    ) = None
    """Tools of the Ghost: servers of the Model Context Protocol by name, at most 16."""


class Ghost(CustomResource):
    """Ghost is the character of a Bot: a system prompt with skills and tools."""

    columns = (Column("Description", ".spec.description"),)

    kind: Literal["Ghost"]
    """Name of the kind: Ghost."""
    spec: GhostSpec
    """Specification of the Ghost: its prompt, skills and tools."""
