"""Ghost: what a Bot is made to be, as a prompt with skills and tools."""

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
"""Of one MCP server; 16 of them with the prompt stay below etcd's limit, escapes and all."""

Argument = Annotated[str, Field(max_length=1024)]
HeaderValue = Annotated[str, Field(max_length=2048, pattern=r"^[\t -~]*$")]


class McpServer(Schema):
    """One server of the Model Context Protocol: a program to run, or a URL to call."""

    type: Literal["stdio", "sse", "http", "streamable-http"]
    """How to talk to it: stdio starts the command, the others call the url."""
    command: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """Program to start; for stdio."""
    args: Annotated[list[Argument], Field(max_length=64), ATOMIC] | None = None
    """Arguments of the command; for stdio."""
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
    """Environment of the command; for stdio. Whoever may read the Ghost can read it, so that it
    is no place for secrets."""
    url: HttpUrl | None = None
    """Where to call it, as http:// or https:// without a user or a password; for all but stdio."""
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
    """HTTP headers to send; for all but stdio. Whoever may read the Ghost can read them, so that
    they are no place for secrets."""

    rules = (
        Rule(
            cel="self.type != 'stdio' || "
            "(has(self.command) && !has(self.url) && !has(self.headers))",
            message="a stdio server needs command, and takes neither url nor headers",
            check=lambda self: (
                self.type != "stdio"
                or (self.command is not None and self.url is None and self.headers is None)
            ),
        ),
        Rule(
            cel="self.type == 'stdio' || "
            "(has(self.url) && !has(self.command) && !has(self.args) && !has(self.env))",
            message="a server that is not stdio needs url, and takes no command, args or env",
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
            message=f"one server may hold {SERVER_MAX_CHARACTERS} characters altogether",
            check=lambda self: self.characters() <= SERVER_MAX_CHARACTERS,
        ),
    )

    def characters(self) -> int:
        """Return how much text the server's description holds."""
        pairs = [*(self.env or {}).items(), *(self.headers or {}).items()]
        texts = [self.command or "", self.url or "", *(self.args or [])]
        return sum(map(len, texts)) + sum(len(key) + len(value) for key, value in pairs)


class GhostSpec(ReferableSpec):
    """What the Ghost is."""

    system_prompt: Annotated[Prompt, Field(examples=["You are a helpful coding assistant."])]
    """What the LLM is told before everything else: 1 to 131,072 characters."""
    description: Description | None = None
    """What the Ghost is for, in words for people."""
    skill_refs: (
        Annotated[list[ListedReference], Field(max_length=64), map_by("namespace", "name")] | None
    ) = None
    """Skills that the Ghost has, each at most once."""
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
    """Tools that the Ghost has: servers of the Model Context Protocol, by name."""


class Ghost(CustomResource):
    """A Ghost is what a Bot is made to be: a prompt, with the skills and tools that go with it."""

    columns = (Column("Description", ".spec.description"),)

    kind: Literal["Ghost"]
    """Name of the kind."""
    spec: GhostSpec
    """What the Ghost is."""
