"""An MCP server with two tools over a folder of Markdown: search, and read_page.

python pages_server.py FOLDER [PORT]
"""

import sys
from pathlib import Path

from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations

MAX_HITS = 20
MAX_CHARACTERS = 20_000
READ_ONLY = ToolAnnotations(read_only_hint=True)  # a call may be repeated after a runner's death

folder = Path(sys.argv[1])
pages = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*.md"))}
server = MCPServer("pages", log_level="WARNING")


@server.tool(annotations=READ_ONLY)
def search(words: str) -> str:
    """Return the lines that contain all of the words, each with the name of its page."""
    wanted = words.lower().split()
    hits = (
        f"{name}: {line.strip()[:200]}"
        for name, path in pages.items()
        for line in path.read_text(encoding="utf-8").splitlines()
        if all(word in line.lower() for word in wanted)
    )
    return "\n".join(hit for hit, _ in zip(hits, range(MAX_HITS), strict=False)) or "no page"


@server.tool(annotations=READ_ONLY)
def read_page(name: str) -> str:
    """Return the text of a page that search has named."""
    if name not in pages:  # and so no path outside the folder
        return f"there is no page {name}; search for one"
    return pages[name].read_text(encoding="utf-8")[:MAX_CHARACTERS]


if __name__ == "__main__":
    server.run("streamable-http", port=int(sys.argv[2]) if len(sys.argv) > 2 else 8095)
