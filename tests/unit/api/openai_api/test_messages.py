"""Messages of a client become prompt, instructions and history."""

from typing import Any

import pytest

from wegent_api.openai_api.errors import Refusal
from wegent_api.openai_api.messages import conversation_of


def user(content: Any = "Hi") -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any = "Hello", **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


def test_a_string_is_the_prompt() -> None:
    assert conversation_of("Hi", "input").spec() == {"prompt": "Hi"}
    assert conversation_of("Hi", "input", "Be kind.").spec() == {
        "prompt": "Hi",
        "instructions": "Be kind.",
    }


def test_the_last_message_is_the_prompt_and_those_of_the_system_are_instructions() -> None:
    messages = [
        {"role": "system", "content": "One."},
        user("a"),
        assistant([{"type": "output_text", "text": "b", "annotations": []}], id="msg_0", bot="n/b"),
        {"role": "developer", "content": "Two."},
        user([{"type": "input_text", "text": "c"}, {"type": "input_text", "text": "d"}]),
    ]
    assert conversation_of(messages, "input", "Zero.").spec() == {
        "prompt": "cd",
        "instructions": "Zero.\n\nOne.\n\nTwo.",
        "history": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
    }


def test_messages_without_text_are_left_out() -> None:
    messages = [user("a"), assistant(None), assistant(""), user("b")]
    assert conversation_of(messages, "messages").history == [{"role": "user", "content": "a"}]


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([], "messages"),
        ([assistant()], "messages"),
        ([user(), assistant()], "messages"),
        ([{"role": "system", "content": "Hi"}], "messages"),
        ([user("")], "messages"),
        (["Hi"], "messages[0]"),
        ([user(), {"role": "tool", "content": "1", "tool_call_id": "x"}], "messages[1].role"),
        ([{"role": "robot", "content": "1"}], "messages[0].role"),
        ([{"content": "1"}], "messages[0].role"),
        ([{"role": ["user"], "content": "1"}], "messages[0].role"),
        ([{"type": "function_call_output", "output": "1"}], "messages[0].type"),
        ([{"type": ["message"], "role": "user", "content": "1"}], "messages[0].type"),
        ([user(), assistant(None, tool_calls=[{"id": "x"}]), user()], "messages[1].tool_calls"),
        ([user(None)], "messages[0].content"),
        ([user(7)], "messages[0].content"),
        ([user([{"type": "image_url", "image_url": {}}])], "messages[0].content[0].type"),
        ([user([{"type": "text"}])], "messages[0].content[0].text"),
        ([user([{"type": ["text"]}])], "messages[0].content[0]"),
        ([user(["Hi"])], "messages[0].content[0]"),
    ],
)
def test_a_message_that_is_no_text_is_refused_where_it_stands(
    messages: list[Any], param: str
) -> None:
    with pytest.raises(Refusal) as refused:
        conversation_of(messages, "messages")
    assert refused.value.param == param
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "messages",
    [
        [user("p" * 131073)],
        [user("p" * 98305), user("p")],
        [user("p" * 98304), user("p" * 32769)],
        [user("a")] * 258,
        [{"role": "system", "content": "p" * 50_000}] * 2 + [user()],
    ],
)
def test_a_conversation_that_is_too_long_is_refused(messages: list[Any]) -> None:
    with pytest.raises(Refusal) as refused:
        conversation_of(messages, "messages")
    assert refused.value.code == "context_length_exceeded"


def test_the_longest_conversation_is_taken() -> None:
    found = conversation_of([user("p" * 98304), user("p" * 32768)], "messages")
    assert len(found.prompt) == 32768
    assert len(conversation_of([user("p" * 131072)], "messages").prompt) == 131072
    assert len(conversation_of([user("a")] * 257, "messages").history) == 256


def test_the_oldest_turns_are_dropped_if_the_client_asks_for_it() -> None:
    messages = [user("p" * 98304), assistant("b"), user("c" * 65535), user("d" * 65536)]
    found = conversation_of(messages, "input", shorten=True)
    assert [turn["content"][:1] for turn in found.history] == ["b", "c"]
    assert len(conversation_of([user("a")] * 300, "input", shorten=True).history) == 256
    with pytest.raises(Refusal):
        conversation_of([user("p" * 131073)], "input", shorten=True)
