"""Results of tools as texts."""

import base64
from typing import Any

import mcp_types as types
import pytest

from wegent_runner.agents.mcp.results import NOTHING, text_of
from wegent_runner.engine.tools import RESULT_MAX_CHARACTERS


def told(*content: Any, structured: Any = None) -> str:
    result = types.CallToolResult(content=list(content), structured_content=structured)
    return text_of(result, lambda text: text.replace("secret", "***"))


def text(value: str) -> types.TextContent:
    return types.TextContent(type="text", text=value)


def test_binary_content_is_named_and_left_out() -> None:
    data = base64.b64encode(bytes(1234)).decode()
    blob = types.BlobResourceContents(uri="file:///a.gz", blob=data, mime_type="application/gzip")
    assert told(
        text("see"),
        types.ImageContent(type="image", data=data, mime_type="image/png"),
        types.AudioContent(type="audio", data=data, mime_type="audio/wav"),
        types.EmbeddedResource(type="resource", resource=blob),
        types.ResourceLink(type="resource_link", name="doc", uri="file:///doc"),
    ).splitlines() == [
        "see",
        "[image/png, 1,234 bytes, left out]",
        "[audio/wav, 1,234 bytes, left out]",
        "[application/gzip, 1,234 bytes, left out]",
        "[link to doc: file:///doc]",
    ]


def test_an_embedded_text_is_told() -> None:
    resource = types.TextResourceContents(uri="file:///a", text="inside")
    assert told(types.EmbeddedResource(type="resource", resource=resource)) == "inside"


@pytest.mark.parametrize("same", ['{"a": 1}', '{ "a":1 }'])
def test_structured_content_is_told_once(same: str) -> None:
    assert told(text(same), structured={"a": 1}) == same
    assert told(structured={"a": 1}) == '{"a": 1}'
    assert told(text("found"), structured={"a": 1}) == 'found\n{"a": 1}'
    assert told(text("3"), structured={"result": 3}) == "3"
    assert told(text("x"), structured={"result": "x"}) == "x"


def test_a_long_text_is_cut_and_says_so() -> None:
    cut = told(text("x" * 5_000_000))
    assert len(cut) == RESULT_MAX_CHARACTERS
    assert cut.endswith("[cut: 5,000,000 characters, of which these are the first]")


def test_secrets_are_struck_before_the_cut() -> None:
    place = RESULT_MAX_CHARACTERS - 60
    assert "sec" not in told(text("x" * place + "secret" + "x" * 99_999))


def test_an_empty_result_and_characters_that_no_database_takes() -> None:
    assert told() == NOTHING
    assert told(text("a\0b")) == "a\N{REPLACEMENT CHARACTER}b"
