"""Results of tools as texts, which are all that LLMs are told."""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import mcp_types as types

from wegent_runner.engine.tools import RESULT_MAX_CHARACTERS, shortened
from wegent_runner.runs.text import storable

NOTHING: Final = "(the tool gave no text)"


def text_of(result: types.CallToolResult, strike: Callable[[str], str]) -> str:
    """Return the text of a result, cut to the length that LLMs are told.

    Images and other binary content are named with type and size, and left out. The structured
    content is added as JSON, unless a text has the same.

    Args:
        result: The server's result.
        strike: Strikes secrets out of a text.
    """
    texts = list(_texts(result))
    if result.structured_content is not None and not _has(texts, result.structured_content):
        texts.append(json.dumps(result.structured_content, ensure_ascii=False))
    return storable(shortened(strike("\n".join(texts)) or NOTHING))


def _texts(result: types.CallToolResult) -> Iterator[str]:
    for block in result.content:
        match block:
            case types.TextContent():
                yield block.text
            case types.ImageContent() | types.AudioContent():
                yield _left_out(block.mime_type, block.data)
            case types.ResourceLink():
                yield f"[link to {block.name}: {block.uri}]"
            case types.EmbeddedResource(resource=types.TextResourceContents() as resource):
                yield resource.text
            case types.EmbeddedResource(resource=types.BlobResourceContents() as resource):
                yield _left_out(resource.mime_type or "binary content", resource.blob)


def _left_out(kind: str, data: str) -> str:
    """Return the words for base64 data of a type."""
    size = len(data) * 3 // 4 - data[-2:].count("=")
    return f"[{kind[:100]}, {size:,} bytes, left out]"


def _has(texts: list[str], structured: Any) -> bool:
    """Return True if a text has the structured content, as the specification recommends.

    The Python SDK wraps the result of a function that isn't an object: ``{"result": ...}``.
    """
    wrapped = structured.get("result") if isinstance(structured, dict) else None
    for text in texts:
        if text == wrapped:
            return True
        if len(text) <= RESULT_MAX_CHARACTERS:
            try:
                said = json.loads(text)
            except (ValueError, RecursionError):
                continue
            if said == structured or (wrapped is not None and said == wrapped):
                return True
    return False
