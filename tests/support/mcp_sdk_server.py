"""A real MCP server of the Python SDK, with tools that are large, slow or failing.

    python mcp_sdk_server.py TRANSPORT PORT

TRANSPORT is streamable-http, json (the same without event streams), sse or stdio.
"""

import asyncio
import base64
import os
import sys
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp_types import CallToolResult, ImageContent, TextContent, ToolAnnotations

server = MCPServer("ill", log_level="ERROR")
READ_ONLY = ToolAnnotations(read_only_hint=True)


@server.tool(annotations=READ_ONLY)
def add(a: int, b: int) -> str:
    """Add two numbers."""
    return str(a + b)


@server.tool()
def large(size: int) -> str:
    """Return a text of so many characters."""
    return "x" * size


@server.tool()
def picture(size: int) -> CallToolResult:
    """Return a text and an image of so many bytes."""
    data = base64.b64encode(b"\0" * size).decode()
    return CallToolResult(
        content=[
            TextContent(type="text", text="a picture"),
            ImageContent(type="image", data=data, mime_type="image/png"),
        ]
    )


@server.tool()
def fails() -> str:
    """Fail."""
    raise ValueError("no such city")


@server.tool()
async def sleeps(seconds: float) -> str:
    """Answer late."""
    await asyncio.sleep(seconds)
    return "awake"


@server.tool()
def environment() -> dict[str, str]:
    """Return the environment variables."""
    return dict(os.environ)


@server.tool()
def headers(context: Context[Any, Any]) -> dict[str, str]:
    """Return the headers of the request."""
    return dict(context.headers or {})


@server.tool()
async def forks(mark: str) -> str:
    """Start a process that outlives the server's input, and write its id to the file ``mark``."""
    process = await asyncio.create_subprocess_exec("sleep", "300")
    text = f"{os.getpid()} {process.pid}"
    await asyncio.to_thread(Path(mark).write_text, text, encoding="ascii")
    return "started"


@server.tool(name="with.dots")
def with_dots() -> str:
    """Have a name that LLM APIs refuse."""
    return "dotted"


def main() -> None:
    """Serve until the process is killed."""
    transport, port = sys.argv[1], int(sys.argv[2])
    if transport == "stdio":
        server.run("stdio")
    elif transport == "sse":
        server.run("sse", port=port)
    else:
        server.run("streamable-http", port=port, json_response=transport == "json")


if __name__ == "__main__":
    main()
