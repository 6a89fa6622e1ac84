"""The list of a server's tools, read within bounds.

The SDK refuses a whole page for one invalid tool, and reads fields that nothing here uses. So each
page is sifted before the SDK sees it: what is left has the few fields that are used.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import mcp_types as types
from mcp.client.session import ClientSession
from mcp.shared.message import SessionMessage
from pydantic_core import to_json

from wegent_runner.agents.mcp.schemas import SchemaRefused, text_of
from wegent_runner.agents.mcp.wire import Reading

MAX_TOOLS: Final = 128
"""Tools of a Bot. OpenAI's API takes no more."""
MAX_PAGES: Final = 100
MAX_SEEN: Final = 10_000
"""Tools of one server that are looked at."""
LISTING_MAX_BYTES: Final = 32 << 20
"""Size of all pages of one server together, as JSON."""
CURSOR_MAX_CHARACTERS: Final = 4096
MAX_NAME_CHARACTERS: Final = 256
DESCRIPTION_MAX_CHARACTERS: Final = 1024
"""Length at which the description of a tool is cut. OpenAI's API refuses all tools if one
description is longer."""
INVALID: Final = "its description is not valid"


@dataclass(frozen=True, slots=True)
class Listing:
    """The tools of a server.

    Attributes:
        tools: Allowed tools in the server's order, each name once, at most one more than a Bot may
            have.
        names: Names of all tools that were looked at, also of those in ``invalid``.
        invalid: Names of allowed tools that were left out, each with the reason.
        cut: Why not all tools were looked at, in words that follow the server's name; empty if all
            were.
    """

    tools: Sequence[types.Tool]
    names: Collection[str]
    invalid: Mapping[str, str]
    cut: str


class Sieve:
    """Keeps the tools that may be offered.

    Args:
        allowed: Names of the tools that may be offered; None for all.
    """

    def __init__(self, allowed: Collection[str] | None) -> None:
        self.names: set[str] = set()
        self.invalid: dict[str, str] = {}
        self._allowed = allowed
        self._kept = 0
        self._size = 0

    @property
    def is_full(self) -> bool:
        """True if no further tool can be offered, or is looked at."""
        return self._kept > MAX_TOOLS or len(self.names) >= MAX_SEEN or self.is_too_large

    @property
    def is_too_large(self) -> bool:
        """True if the pages have more bytes than are looked at."""
        return self._size > LISTING_MAX_BYTES

    def sift(self, page: Sequence[Any], size: int) -> list[Mapping[str, Any]]:
        """Return the tools of a page to keep, with the fields that are used.

        Args:
            page: The tools as the server sent them.
            size: Bytes of the whole page.
        """
        self._size += size
        kept = []
        for tool in page:
            if self.is_full:
                break
            name = _name_of(tool)
            if name in self.names:
                continue
            self.names.add(name)
            if self._allowed is not None and name not in self._allowed:
                continue
            try:
                kept.append(_usable(tool))
                self._kept += 1
            except SchemaRefused as refused:
                self.invalid[name] = str(refused)
        return kept


async def list_tools(session: ClientSession, sieve: Sieve) -> Listing:
    """Return the tools of a server.

    Args:
        session: The session, over a ``SiftedStream``.
        sieve: The sieve of that stream.

    Raises:
        MCPError: the server has no tools, or its answer is an error.
        ValidationError: the answer isn't a list of tools.
    """
    tools: list[types.Tool] = []
    cursor: str | None = None
    cursors: set[str] = set()
    cut = ""
    for _ in range(MAX_PAGES):
        params = types.PaginatedRequestParams(cursor=cursor) if cursor else None
        page = await session.list_tools(params=params)
        tools += page.tools
        cursor = page.next_cursor
        if sieve.is_full or not cursor or cursor in cursors:
            break
        if len(cursor) > CURSOR_MAX_CHARACTERS:
            cut = (
                f"names its next page of tools with more than {CURSOR_MAX_CHARACTERS:,} characters;"
                " tools from there on are left out"
            )
            break
        cursors.add(cursor)
    else:
        cut = _more_than(len(sieve.names))
    if sieve.is_too_large:
        size = f"{LISTING_MAX_BYTES >> 20} MiB"
        cut = f"has a list of tools of more than {size}; tools from there on are left out"
    elif sieve.is_full:
        cut = _more_than(len(sieve.names))
    return Listing(tools, sieve.names, sieve.invalid, cut)


def _more_than(number: int) -> str:
    return f"has more than {number:,} tools; set allowedTools"


class SiftedStream:
    """A stream of messages in which lists of tools have only what a sieve keeps."""

    def __init__(self, stream: Reading, sieve: Sieve) -> None:
        self._stream = stream
        self._sieve = sieve

    @property
    def last_context(self) -> Any:
        """The context in which the last message was sent, which the SDK asks for."""
        return getattr(self._stream, "last_context", None)

    async def receive(self) -> SessionMessage | Exception:
        """Return the next message."""
        return self._sifted(await self._stream.receive())

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        return self._sifted(await anext(self._stream))

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._stream.__aexit__(kind, error, traceback)

    def _sifted(self, item: SessionMessage | Exception) -> SessionMessage | Exception:
        if isinstance(item, SessionMessage) and isinstance(item.message, types.JSONRPCResponse):
            result = item.message.result
            if isinstance(result.get("tools"), list):
                result["tools"] = self._sieve.sift(result["tools"], len(to_json(result)))
        return item


def _name_of(tool: Any) -> str:
    """Return the name of a tool, perhaps cut, or words for one that has none."""
    name = tool.get("name") if isinstance(tool, dict) else None
    return name[:MAX_NAME_CHARACTERS] if isinstance(name, str) and name else "(no name)"


def _usable(tool: Any) -> Mapping[str, Any]:
    """Return a tool with the fields that are used.

    Raises:
        SchemaRefused: it is invalid, or its schema is too large to be kept.
    """
    if not isinstance(tool, dict):
        raise SchemaRefused(INVALID)
    name, schema = tool.get("name"), tool.get("inputSchema")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARACTERS:
        raise SchemaRefused(INVALID)
    if not isinstance(schema, dict) or not _is_of_an_object(schema):
        raise SchemaRefused(INVALID)
    text_of(schema)
    described, hints = tool.get("description"), tool.get("annotations")
    return {
        "name": name,
        "description": _cut(described) if isinstance(described, str) else "",
        "inputSchema": {**schema, "type": "object"},
        "annotations": {
            hint: True
            for hint in ("readOnlyHint", "idempotentHint")
            if isinstance(hints, dict) and hints.get(hint) is True
        },
    }


def _is_of_an_object(schema: Mapping[str, Any]) -> bool:
    """Return True if a schema has the form in which MCP describes arguments."""
    properties, required = schema.get("properties", {}), schema.get("required", [])
    return (
        schema.get("type", "object") == "object"
        and isinstance(schema.get("$schema", ""), str)
        and isinstance(properties, dict)
        and all(isinstance(it, dict | bool) for it in properties.values())
        and isinstance(required, list)
        and all(isinstance(it, str) for it in required)
    )


def _cut(description: str) -> str:
    if len(description) <= DESCRIPTION_MAX_CHARACTERS:
        return description
    return description[: DESCRIPTION_MAX_CHARACTERS - 1] + "…"
