"""The transport of an MCP server, from its fields as they are stored."""

from typing import Any

import pytest

from wegent_crds.schema.mcp_servers import transport_of


@pytest.mark.parametrize(
    ("type_", "command", "transport"),
    [
        ("stdio", "npx", "stdio"),
        ("sse", None, "sse"),
        ("http", None, "http"),
        ("streamable-http", None, "http"),
        (None, "npx", "stdio"),
        (None, None, "http"),
        ("carrier-pigeon", "npx", "stdio"),
        (["stdio"], None, "http"),
    ],
)
def test_the_transport_follows_from_type_and_command(
    type_: Any, command: str | None, transport: str
) -> None:
    assert transport_of(type_, command) == transport
