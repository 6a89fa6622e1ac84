"""Server-Sent Events in pieces of any size."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wegent_sdk.sse import Lines, SseDecoder, SseEvent, StreamTooLong

STREAM = (
    "\ufeff: a comment\n\n"
    'event: a\nid: 1.1\ndata: {"x": "é😀\u2028"}\n\n'
    "data:two\ndata:  lines\nretry: 3\nnonsense\n\n"
    "event: without data\n\n"
    "id\ndata: no id\r\n\r\n"
    "event: cut\ndata: cut"
).encode()
EVENTS = [
    SseEvent("a", '{"x": "é😀\u2028"}', "1.1"),
    SseEvent("message", "two\n lines", None),
    SseEvent("message", "no id", ""),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_the_pieces_don_t_matter(cuts: list[int]) -> None:
    decoder = SseDecoder()
    places = sorted({0, *cuts, len(STREAM)})
    found: list[SseEvent] = []
    for start, end in pairwise(places):
        found += decoder.feed(STREAM[start:end])
    assert found == EVENTS


@pytest.mark.parametrize(
    "stream", [b"data: " + b"x" * 200, b"data: x\n" * 40, b"x" * 101, b"event: x\n" * 40]
)
def test_an_event_is_bounded(stream: bytes) -> None:
    decoder = SseDecoder(longest=100)
    pieces = [stream[at : at + 7] for at in range(0, len(stream), 7)]
    with pytest.raises(StreamTooLong):
        [event for piece in pieces for event in decoder.feed(piece)]


def test_comments_have_no_bound_together() -> None:
    decoder = SseDecoder(longest=100)
    assert [it for _ in range(100) for it in decoder.feed(b": heartbeat\n\n")] == []


def test_lines() -> None:
    lines = Lines(longest=10)
    assert [*lines.feed(b"a\r\nb"), *lines.feed(b"\n\nc")] == [b"a", b"b", b""]
    with pytest.raises(StreamTooLong):
        list(lines.feed(b"x" * 10))
