"""A stream is cut into whole events, however it arrives."""

import time

import pytest

from wegent_api.http.errors import BadGateway
from wegent_api.runs.blocks import END, MAX_EVENT_BYTES, Blocks

STREAM = b"id: 1.1\nevent: run.started\ndata: {}\n\n: \n\nid: 1.20\nevent: run.ended\ndata: {}\n\n"
PIECE = 64 * 1024


@pytest.mark.parametrize("size", range(1, len(STREAM) + 1))
def test_pieces_of_any_size_make_the_same_events(size: int) -> None:
    blocks, whole = Blocks(), b""
    for start in range(0, len(STREAM), size):
        fed = blocks.feed(STREAM[start : start + size])
        assert not fed or fed.endswith(END)
        whole += fed
    assert whole == STREAM
    assert (blocks.last_id, blocks.ended) == ("1.20", True)


def test_a_long_event_costs_no_more_than_its_length() -> None:
    event = b"id: 1.2\nevent: x\ndata: " + b"a" * (24 << 20) + END
    blocks, whole = Blocks(), b""
    began = time.process_time()
    for start in range(0, len(event), PIECE):
        whole += blocks.feed(event[start : start + PIECE])
    assert time.process_time() - began < 0.5
    assert whole == event


def test_an_event_without_an_end_is_refused() -> None:
    blocks, piece = Blocks(), b"a" * (1 << 20)
    for _ in range(MAX_EVENT_BYTES >> 20):
        assert not blocks.feed(piece)
    with pytest.raises(BadGateway):
        blocks.feed(piece)
    assert blocks.feed(b"id: 1.1\nevent: x\ndata: {}\n\n")
