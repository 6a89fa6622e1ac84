"""McpServer: a server of the Model Context Protocol, as Ghosts and Skills name them."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal

from pydantic import Field

from wegent_crds.schema.base import Schema
from wegent_crds.schema.extensions import ATOMIC, INT32, NULLS_DROPPED, SET, Rule, keys_match
from wegent_crds.schema.fields import HttpUrl, SecretKeyReference

SERVER_MAX_CHARACTERS: Final = 4096
"""Of one MCP server. 16 servers and the prompt stay below etcd's limit, also when escaped."""
PROTOCOL_HEADERS: Final = (
    "connection",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
)
"""Headers of the connection and of the protocol, which runners set themselves. With ``Host``, a
server that many sites share would pass the Secret of one site on to another."""
_PROTOCOL_HEADER: Final = f"(?i)^({'|'.join(PROTOCOL_HEADERS)})$"

Transport = Literal["http", "sse", "stdio"]
TRANSPORTS: Final[Mapping[object, Transport]] = {
    "stdio": "stdio",
    "sse": "sse",
    "http": "http",
    "streamable-http": "http",
}
"""Transports by the field ``type``."""


def transport_of(type_: object, command: object) -> Transport:
    """Return the transport of an MCP server; without a valid ``type``, a command means stdio.

    Args:
        type_: The field ``type``, None if it isn't there. A stored object may have any value.
        command: The field ``command``, None if it isn't there.
    """
    if isinstance(type_, str) and type_ in TRANSPORTS:
        return TRANSPORTS[type_]
    return "http" if command is None else "stdio"


Argument = Annotated[str, Field(max_length=1024)]
HeaderValue = Annotated[str, Field(max_length=2048, pattern=r"^[\t -~]*$")]
ToolName = Annotated[str, Field(min_length=1, max_length=128)]

HEADER_NAMES: Final = keys_match(
    r"^[A-Za-z0-9_-]{1,128}$", "names must be letters, digits, dashes and underscores"
)


class SecretSource(Schema):
    """SecretSource names the place of a value that is kept in a Secret."""

    secret_key_ref: SecretKeyReference
    """Reference to the key of a Secret in the namespace of the object."""


class McpServer(Schema):
    """McpServer is a server of the Model Context Protocol: a program to start or a URL to call."""

    type: Literal["stdio", "sse", "http", "streamable-http"] | None = None
    """Transport of the server. With stdio, the Shell starts the command; with any other type, it
    calls the url. http and streamable-http are the same. Defaults to stdio for a server with a
    command, and to streamable-http for a server with a url."""
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
    read the object can read the values, so they must not contain secrets."""
    url: HttpUrl | None = None
    """URL of the server: http:// or https:// without a user or a password, at most 2,048
    characters. Required for all types but stdio, for which it is not allowed."""
    headers: (
        Annotated[dict[str, HeaderValue], Field(max_length=32), HEADER_NAMES, NULLS_DROPPED] | None
    ) = None
    """HTTP headers of each request by name, at most 32. Not allowed for stdio. Every user who can
    read the object can read the values, so they must not contain secrets; headersFrom is for those.
    Runners refuse headers of the connection and of the protocol, such as Host."""
    headers_from: (
        Annotated[dict[str, SecretSource], Field(max_length=8), HEADER_NAMES, NULLS_DROPPED] | None
    ) = None
    """HTTP headers of each request by name, at most 8, whose values are in Secrets. Not allowed for
    stdio, nor with headers of the connection or of the protocol. Such a Secret has the type
    agent.wecode.io/api-key, and names the hosts that may receive it, as that of a Model."""
    allowed_tools: Annotated[list[ToolName], Field(min_length=1, max_length=128), SET] | None = None
    """Names of the tools that the LLM may use, at most 128 of at most 128 characters, as the server
    lists them. Defaults to all tools."""
    require_approval: Annotated[list[ToolName], Field(max_length=128), SET] | None = None
    """Names of the tools whose calls need the approval of a person, at most 128 of at most 128
    characters; * means all. Defaults to none."""
    approvers: Literal["OwnNamespace", "TaskNamespace"] | None = None
    """Users who can approve calls: editors of the namespace of the object that has this server, or
    those of the Task's namespace. Users need the right to change the Task, too. Defaults to
    OwnNamespace for a server with headersFrom, and to TaskNamespace otherwise."""
    required: bool = False
    """Specifies whether a Task fails if the server can't be reached. Otherwise the Task goes on
    without the server's tools, and its transcript says so. Defaults to false."""
    timeout_seconds: Annotated[int, Field(ge=1, le=600), INT32] = 30
    """Time limit of the connection to the server, and of each call of a tool, in seconds, 1 to
    600. Defaults to 30."""

    rules = (
        Rule(
            cel="has(self.type) || has(self.command) != has(self.url)",
            message="exactly one of command and url is required, unless type names the transport",
            check=lambda self: (
                self.type is not None or (self.command is None) != (self.url is None)
            ),
        ),
        Rule(
            cel="(has(self.type) ? self.type != 'stdio' : !has(self.command))"
            " || (has(self.command) && !has(self.url) && !has(self.headers)"
            " && !has(self.headersFrom))",
            message="a stdio server requires command, and allows no url, headers or headersFrom",
            check=lambda self: (
                not self.is_stdio
                or (
                    self.command is not None
                    and self.url is None
                    and self.headers is None
                    and self.headers_from is None
                )
            ),
        ),
        Rule(
            cel="(has(self.type) ? self.type == 'stdio' : !has(self.url))"
            " || (has(self.url) && !has(self.command) && !has(self.args) && !has(self.env))",
            message="a server that is not stdio requires url, and allows no command, args or env",
            check=lambda self: (
                (self.type == "stdio" if self.type else self.url is None)
                or (
                    self.url is not None
                    and self.command is None
                    and self.args is None
                    and self.env is None
                )
            ),
        ),
        Rule(
            cel="!has(self.headersFrom) || self.headersFrom.all(one,"
            " self.headersFrom.exists_one(it, it.lowerAscii() == one.lowerAscii())"
            " && (!has(self.headers)"
            " || !self.headers.exists(it, it.lowerAscii() == one.lowerAscii())))",
            message="a header must be given once, in headers or in headersFrom; case is ignored",
            check=lambda self: (
                not self.headers_from or len(set(self.header_names())) == len(self.header_names())
            ),
            field_path=".headersFrom",
        ),
        Rule(
            cel="!has(self.headersFrom)"
            f" || (self.headersFrom.all(it, !it.matches('{_PROTOCOL_HEADER}'))"
            f" && (!has(self.headers) || self.headers.all(it, !it.matches('{_PROTOCOL_HEADER}'))"
            "))",
            message="a server with headersFrom allows no headers of the connection or of the"
            " protocol, such as Host and Mcp-Session-Id",
            check=lambda self: (
                self.headers_from is None or not set(self.header_names()) & set(PROTOCOL_HEADERS)
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
            " + (has(self.headersFrom) ? self.headersFrom.map(key, size(key)"
            " + size(self.headersFrom[key].secretKeyRef.name)"
            " + size(self.headersFrom[key].secretKeyRef.key)).sum() : 0)"
            " + (has(self.allowedTools) ? self.allowedTools.map(it, size(it)).sum() : 0)"
            " + (has(self.requireApproval) ? self.requireApproval.map(it, size(it)).sum() : 0)"
            f" <= {SERVER_MAX_CHARACTERS}",
            message=f"all fields together may have at most {SERVER_MAX_CHARACTERS} characters",
            check=lambda self: sum(map(len, self.texts())) <= SERVER_MAX_CHARACTERS,
        ),
    )

    @property
    def is_stdio(self) -> bool:
        """True if the server is a program to start."""
        return transport_of(self.type, self.command) == "stdio"

    def header_names(self) -> tuple[str, ...]:
        """Return the names of all headers, in lower case."""
        return tuple(it.lower() for it in [*(self.headers or ()), *(self.headers_from or ())])

    def texts(self) -> Iterator[str]:
        """Yield the texts in all fields."""
        yield from (self.command or "", self.url or "", *(self.args or ()))
        for pairs in (self.env or {}, self.headers or {}):
            yield from pairs
            yield from pairs.values()
        for name, source in (self.headers_from or {}).items():
            yield from (name, source.secret_key_ref.name, source.secret_key_ref.key)
        yield from (*(self.allowed_tools or ()), *(self.require_approval or ()))


McpServers = Annotated[
    dict[str, McpServer],
    Field(max_length=16),
    keys_match(
        r"^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
        "names must be 1 to 63 letters, digits, dashes, underscores and dots",
    ),
    NULLS_DROPPED,
]
"""MCP servers by name, at most 16."""
