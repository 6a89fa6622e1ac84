"""Answers of each API: whole, cut in good order, at the maximum of tokens, and garbled."""

import json
import re
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any, get_args

import pytest

from tests.support.provider import Provider, Script
from wegent_runner.engine.egress import EgressPolicy
from wegent_runner.engine.failures import CallFailed
from wegent_runner.engine.model_stream import MAX_TOKENS, Done, ModelCaller, ModelInput, Turn
from wegent_runner.plan.plan import ApiFormat, ModelPlan
from wegent_runner.runs.text import StorableText

FORMATS: tuple[ApiFormat, ...] = get_args(ApiFormat)


def lines(*events: Any) -> list[bytes]:
    """Return events of a stream, each with the name of its type as the SDKs need it."""
    return [
        b"event: %s\ndata: %s\n\n" % (it.get("type", "").encode(), json.dumps(it).encode())
        if isinstance(it, dict)
        else b"data: %s\n\n" % it
        for it in events
    ]


def chat(text: str, end: str | None) -> list[bytes]:
    frame = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}

    def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        return {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    ends = {"whole": "stop", "longest": "length"}
    last = [chunk({}, ends[end])] if end else []
    return lines(chunk({"role": "assistant", "content": text}), *last, b"[DONE]")


def responses(text: str, end: str | None) -> list[bytes]:
    def answer(status: str, **more: Any) -> dict[str, Any]:
        return {
            "id": "r", "object": "response", "created_at": 1, "model": "m", "output": [],
            "tools": [], "tool_choice": "auto", "parallel_tool_calls": False, "status": status,
            **more,
        }  # fmt: skip

    item = {"id": "i", "type": "message", "role": "assistant", "status": "in_progress"}
    place = {"item_id": "i", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": []}
    full = answer("incomplete", incomplete_details={"reason": "max_output_tokens"})
    ends = {
        "whole": [{"type": "response.completed", "response": answer("completed")}],
        "longest": [{"type": "response.incomplete", "response": full}],
        "failed": [{"type": "response.failed", "response": answer("failed")}],
        None: [],
    }
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": answer("in_progress")},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**item, "content": []},
        },
        {"type": "response.content_part.added", **place, "part": part},
        {"type": "response.output_text.delta", **place, "delta": text, "logprobs": []},
        *ends[end],
    ]
    return lines(*({**it, "sequence_number": number} for number, it in enumerate(events)))


def messages(text: str, end: str | None) -> list[bytes]:
    usage = {"input_tokens": 1, "output_tokens": 1}
    message: dict[str, Any] = {
        "id": "m", "type": "message", "role": "assistant", "model": "m", "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": usage,
    }  # fmt: skip
    ends = {"whole": "end_turn", "longest": "max_tokens"}
    last: list[dict[str, Any]] = []
    if end:
        delta = {"stop_reason": ends[end], "stop_sequence": None}
        last = [
            {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 2}},
            {"type": "message_stop"},
        ]
    return lines(
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": text},
        },
        {"type": "content_block_stop", "index": 0},
        *last,
    )


STREAMS = {"chat": chat, "responses": responses, "messages": messages}


@pytest.fixture
async def caller() -> AsyncIterator[ModelCaller]:
    keys: Any = None
    async with ModelCaller(keys, EgressPolicy([ip_network("127.0.0.0/8")])) as caller:
        yield caller


async def answer_of(
    caller: ModelCaller, provider: Provider, api_format: ApiFormat, stream: list[bytes]
) -> tuple[str, Done]:
    """Return the text and the end of a call that the provider answers with a stream."""
    provider.script = lambda _: Script(raw=b"".join(stream))
    plan = ModelPlan("ns/m", "openai", "m", api_format, provider.url)
    text = ""
    async for piece in caller.stream(plan, ModelInput("help", [Turn("user", "Hi")]), "find-me-1"):
        if isinstance(piece, Done):
            return text, piece
        text += piece
    raise AssertionError("no end")


@pytest.mark.parametrize("api_format", FORMATS)
async def test_a_whole_answer(
    caller: ModelCaller, provider: Provider, api_format: ApiFormat
) -> None:
    stream = STREAMS[api_format]("Hello", "whole")
    text, done = await answer_of(caller, provider, api_format, stream)
    assert (text, done.truncated) == ("Hello", False)
    [call] = provider.calls
    assert call.headers["X-Request-Id"] == call.headers["X-Client-Request-Id"] == "find-me-1"


async def test_a_refusal_in_words_is_the_answer(caller: ModelCaller, provider: Provider) -> None:
    told = "I can't help with that."
    stream = [it.replace(b'"content"', b'"refusal"') for it in chat(told, "whole")]
    text, done = await answer_of(caller, provider, "chat", stream)
    assert (text, done.truncated) == (told, False)


async def test_a_refusal_in_words_is_the_answer_of_the_responses_api(
    caller: ModelCaller, provider: Provider
) -> None:
    told = "I can't help with that."
    stream = responses(told, "whole")
    stream = [it.replace(b"response.output_text.delta", b"response.refusal.delta") for it in stream]
    assert (await answer_of(caller, provider, "responses", stream))[0] == told


@pytest.mark.parametrize("api_format", FORMATS)
async def test_an_answer_at_the_maximum_of_tokens(
    caller: ModelCaller, provider: Provider, api_format: ApiFormat
) -> None:
    stream = STREAMS[api_format]("Hel", "longest")
    text, done = await answer_of(caller, provider, api_format, stream)
    assert (text, done.truncated) == ("Hel", True)


@pytest.mark.parametrize("api_format", FORMATS)
async def test_a_stream_that_ends_in_good_order_before_its_answer_is_cut(
    caller: ModelCaller, provider: Provider, api_format: ApiFormat
) -> None:
    with pytest.raises(CallFailed) as failed:
        await answer_of(caller, provider, api_format, STREAMS[api_format]("Hel", None))
    assert (failed.value.reason, failed.value.retryable) == ("CutAnswer", True)


async def test_an_answer_that_its_provider_calls_failed(
    caller: ModelCaller, provider: Provider
) -> None:
    with pytest.raises(CallFailed) as failed:
        await answer_of(caller, provider, "responses", responses("Hel", "failed"))
    assert (failed.value.reason, failed.value.retryable) == ("ProviderError", True)


REFUSALS = [
    # HTTP status, type of the error, message, reason of the failure, whether another try may do
    (401, "authentication_error", "no", "KeyRefused", False),
    (403, "permission_error", "no", "KeyRefused", False),
    (404, "not_found_error", "no", "ModelNotFound", False),
    (422, "x", "no", "RequestRejected", False),
    (408, "x", "late", "RequestRejected", True),
    (429, "rate_limit_error", "slow", "RateLimited", True),
    (500, "api_error", "oops", "ProviderError", True),
    (503, "api_error", "down", "Unavailable", True),
    (529, "overloaded_error", "busy", "Overloaded", True),
    (308, "x", "elsewhere", "AnswerRefused", False),
    (413, "request_too_large", "large", "ContextExceeded", False),
    (400, "invalid_request_error", "prompt is too long: 9 > 8", "ContextExceeded", False),
    (400, "invalid_request_error", "the maximum context length is 8", "ContextExceeded", False),
    (
        400,
        "exceed_context_size_error",  # llama.cpp, the server of the demo model
        "request (9 tokens) exceeds the available context size (8 tokens), try increasing it",
        "ContextExceeded",
        False,
    ),
    (400, "invalid_request_error", "temperature: too hot", "RequestRejected", False),
]


@pytest.mark.parametrize("api_format", FORMATS)
@pytest.mark.parametrize(("status", "type_", "message", "reason", "again"), REFUSALS)
async def test_a_refusal_is_told_by_its_cause(
    caller: ModelCaller,
    provider: Provider,
    api_format: ApiFormat,
    status: int,
    type_: str,
    message: str,
    reason: str,
    again: bool,  # noqa: FBT001 - of a table
) -> None:
    body = {"type": "error", "error": {"type": type_, "code": type_, "message": message}}
    headers = {"Retry-After": "7", "Location": provider.url}
    provider.script = lambda _: Script(status=status, headers=headers, body=body)
    plan = ModelPlan("ns/m", "openai", "m", api_format, provider.url)
    with pytest.raises(CallFailed) as failed:
        async for _ in caller.stream(plan, ModelInput("help", [Turn("user", "Hi")]), "find-me-1"):
            pass
    assert (failed.value.reason, failed.value.retryable) == (reason, again)
    assert len(provider.calls) == 1
    assert failed.value.retry_after_s in {None, 7.0}
    if status == 429:
        assert failed.value.retry_after_s == 7.0


@pytest.mark.parametrize("api_format", FORMATS)
@pytest.mark.parametrize("fault", ["silent", "cut"])
async def test_a_provider_that_is_silent_or_cuts_in_an_event(
    provider: Provider, api_format: ApiFormat, fault: str
) -> None:
    stream = b"".join(STREAMS[api_format]("Hel", None))
    scripts = {"silent": Script(hang_after=0), "cut": Script(raw=stream[:-20], cut=True)}
    provider.script = lambda _: scripts[fault]
    plan = ModelPlan("ns/m", "openai", "m", api_format, provider.url)
    keys: Any = None
    policy = EgressPolicy([ip_network("127.0.0.0/8")])
    async with ModelCaller(keys, policy, silence_s=0.3) as caller:
        with pytest.raises(CallFailed) as failed:
            async for _ in caller.stream(
                plan, ModelInput("help", [Turn("user", "Hi")]), "find-me-1"
            ):
                pass
    assert failed.value.retryable
    assert failed.value.reason == {"silent": "Timeout", "cut": "Unreachable"}[fault]


TOOLS: dict[ApiFormat, list[dict[str, Any]]] = {
    "chat": [
        {
            "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": {"tool_calls": [
                {"index": 0, "id": "1", "type": "function",
                 "function": {"name": "rm", "arguments": ""}}]}}],
        },
    ],
    "responses": [
        {
            "type": "response.output_item.added", "output_index": 0, "sequence_number": 1,
            "item": {"type": "function_call", "id": "i", "call_id": "1", "name": "rm",
                     "arguments": "", "status": "in_progress"},
        },
    ],
    "messages": [
        {
            "type": "content_block_start", "index": 0,
            "content_block": {"type": "tool_use", "id": "1", "name": "rm", "input": {}},
        },
    ],
}  # fmt: skip


@pytest.mark.parametrize("api_format", FORMATS)
async def test_a_tool_call_where_none_was_offered(
    caller: ModelCaller, provider: Provider, api_format: ApiFormat
) -> None:
    begin = STREAMS[api_format]("", None)[: 1 if api_format != "chat" else 0]
    with pytest.raises(CallFailed, match="called the tool 'rm', but was offered none") as failed:
        await answer_of(caller, provider, api_format, [*begin, *lines(*TOOLS[api_format])])
    assert (failed.value.reason, failed.value.max_tries) == ("UnexpectedToolCall", 2)


@pytest.mark.parametrize("api_format", FORMATS)
async def test_an_empty_answer_has_an_end_and_no_text(
    caller: ModelCaller, provider: Provider, api_format: ApiFormat
) -> None:
    text, done = await answer_of(caller, provider, api_format, STREAMS[api_format]("", "whole"))
    assert (text, done.truncated) == ("", False)


GARBAGE = [
    b'"foo"', b"null", b"[1]", b"5", b"true", b"{}", b'{"choices": 5}', b'{"choices": [5]}',
    b'{"choices": [{"delta": 5}]}', b'{"choices": [{"delta": {"content": 5}}]}',
    b'{"type": 5}', b'{"type": "response.output_text.delta"}', b'{"type": "content_block_delta"}',
    b'{"type": "message_start", "message": 5}', b'{"type": "response.completed"}', b"\xff", b"{",
]  # fmt: skip


@pytest.mark.parametrize("api_format", FORMATS)
@pytest.mark.parametrize("garbage", GARBAGE)
async def test_json_of_any_form_is_a_failure_of_the_call(
    caller: ModelCaller, provider: Provider, api_format: ApiFormat, garbage: bytes
) -> None:
    begin = STREAMS[api_format]("Hel", None)[:1]
    named = garbage.split(b'"')[3] if b'"type": "' in garbage else b"content_block_delta"
    stream = [*begin, b"event: %s\ndata: %s\n\n" % (named, garbage)]
    with pytest.raises(CallFailed) as failed:
        await answer_of(caller, provider, api_format, stream)
    assert failed.value.retryable


def with_usage(api_format: ApiFormat, number: object) -> bytes:
    """Return a whole answer whose numbers of tokens are all this one."""
    stream = b"".join(STREAMS[api_format]("Hello", "whole"))
    if api_format == "messages":
        told = json.dumps(number).encode()
        return re.sub(rb'(put_tokens": )[0-9]+', lambda it: it[1] + told, stream)
    sides = ("input", "output") if api_format == "responses" else ("prompt", "completion")
    usage = json.dumps({f"{side}_tokens": number for side in (*sides, "total")})
    if api_format == "responses":
        status = b'"status": "completed"'
        return stream.replace(status, status + f', "usage": {usage}'.encode())
    last = f'data: {{"id": "c", "model": "m", "choices": [], "usage": {usage}}}\n\n'.encode()
    return stream.replace(b"data: [DONE]", last + b"data: [DONE]")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("api_format", FORMATS)
@pytest.mark.parametrize(
    "number",
    [-5, 1.5, 1e30, 10**30, "7", "x", None, True, float("nan"), float("inf"), [], {"a": 1}],
    ids=str,
)
async def test_numbers_of_tokens_are_such_that_a_status_can_hold_them(
    caller: ModelCaller, provider: Provider, api_format: ApiFormat, number: object
) -> None:
    stream = [with_usage(api_format, number)]
    text, done = await answer_of(caller, provider, api_format, stream)
    assert text == "Hello"
    usage = done.usage
    for counted in (usage.input_tokens, usage.output_tokens, usage.cached_input_tokens):
        assert type(counted) is int
        assert 0 <= counted <= MAX_TOKENS


@pytest.mark.parametrize("api_format", FORMATS)
async def test_the_numbers_of_tokens_are_those_of_the_provider(
    caller: ModelCaller, provider: Provider, api_format: ApiFormat
) -> None:
    _, done = await answer_of(caller, provider, api_format, [with_usage(api_format, 42)])
    assert (done.usage.input_tokens, done.usage.output_tokens) == (42, 42)


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["a\ud83d", "\ude00b"], "a😀b"),
        (["\ud83d", "", "\ude00"], "😀"),
        (["a\ud83d", "b"], "a�b"),
        (["a\ude00", "\ud83d"], "a��"),
        (["\ud83d", "\ud83d", "\ude00"], "�😀"),
        (["a\x00b"], "a�b"),
    ],
)
def test_a_surrogate_pair_that_is_cut_in_two_is_one_character(pieces: list[str], text: str) -> None:
    storable = StorableText()
    assert "".join(map(storable.feed, pieces)) + storable.flush() == text
