"""Parameters are honoured, ignored, or refused by their name."""

from typing import Any

import pytest

from wegent_api.http.errors import BadRequest
from wegent_api.openai_api.errors import Refusal
from wegent_api.openai_api.requests import (
    HARMLESS,
    IGNORED,
    CreateChatCompletion,
    CreateResponse,
    read_parameters,
)

BODY = {"model": "n/t", "input": "Hi"}


def test_no_parameter_is_in_two_tables() -> None:
    fields = CreateResponse.model_fields.keys() | CreateChatCompletion.model_fields.keys()
    assert not IGNORED & HARMLESS.keys()
    assert not IGNORED & fields
    assert HARMLESS.keys() & fields == {"response_format", "stream_options", "text"}


@pytest.mark.parametrize(
    "more",
    [
        {"temperature": 2, "top_p": 0.1, "max_output_tokens": 5, "reasoning": {"effort": "low"}},
        {"tools": [], "tool_choice": "auto", "parallel_tool_calls": True},
        {"tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "c"}]},
        {"functions": [{"name": "f"}], "function_call": "none"},
        {"min_p": 0.1, "num_ctx": 4096, "think": True, "keep_alive": "5m", "format": ""},
        {"text": {"format": {"type": "text"}, "verbosity": "low"}},
        {"text": {}, "n": 1, "logprobs": False, "stop": None, "conversation": None},
        {"sparkle": None},
        {"stream_options": {"include_obfuscation": False}},
    ],
)
def test_parameters_without_effect_are_taken(more: dict[str, Any]) -> None:
    assert read_parameters(CreateResponse, BODY | more).model == "n/t"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tools", [{"type": "web_search"}]),
        ("tools", [{"type": "function", "name": "f"}, {"type": "mcp"}]),
        ("tools", {"type": "function"}),
        ("tools", ["f"]),
        ("tools", [{"type": ["function"]}]),
        ("functions", {"name": "f"}),
        ("format", {"type": "object"}),
        ("tool_choice", "required"),
        ("tool_choice", {"type": "function"}),
        ("n", 2),
        ("n", "1"),
        ("stop", ["\n"]),
        ("logprobs", True),
        ("response_format", {"type": "json_object"}),
        ("modalities", ["text", "audio"]),
        ("audio", {"voice": "alloy"}),
        ("web_search_options", {}),
        ("conversation", "conv_1"),
        ("prompt", {"id": "pmpt_1"}),
        ("sparkle", 1),
        ("namespace", "x"),
    ],
)
def test_parameters_that_would_change_the_answer_are_refused(name: str, value: Any) -> None:
    with pytest.raises(Refusal) as refused:
        read_parameters(CreateResponse, BODY | {name: value})
    assert refused.value.param == name


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"input": None}, "input"),
        ({"model": 7}, "model"),
        ({"text": "plain"}, "text"),
        ({"text": {"format": "json_schema"}}, "text.format"),
        ({"stream": "yes"}, "stream"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"metadata": {str(number): "" for number in range(17)}}, "metadata"),
        ({"metadata": {"k" * 65: ""}}, "metadata"),
    ],
)
def test_values_are_checked(more: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_parameters(CreateResponse, BODY | more)
    assert refused.value.causes[0].field.startswith(field)
