"""The head of an answer goes out with its body, and at once if the body may take a while."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from wegent_api.server.joined_head import JoinedHead

FIXED = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Wire(asyncio.Transport):
    """Records what is sent, write by write."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes | str] = []

    def write(self, data: Any) -> None:
        self.sent.append(bytes(data))

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.sent.append(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return "closed" in self.sent

    def close(self) -> None:
        self.sent.append("closed")


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ([FIXED, b"body"], [FIXED + b"body"]),
        ([FIXED, b"bo", b"dy"], [FIXED + b"bo", b"dy"]),
        ([FIXED, b""], [FIXED]),
        ([CHUNKED], [CHUNKED]),
        ([CHUNKED, FIXED], [CHUNKED, FIXED]),  # a body that looks like a head
        ([CONTINUE, FIXED, b"body"], [CONTINUE, FIXED, b"body"]),
    ],
)
def test_writes(written: list[bytes], sent: list[bytes]) -> None:
    wire = Wire()
    joined = JoinedHead(wire)
    for data in written:
        joined.write(data)
    assert wire.sent == sent


def test_a_held_head_is_sent_before_the_connection_closes() -> None:
    wire = Wire()
    joined = JoinedHead(wire)
    joined.write(FIXED)
    assert not joined.is_closing()
    joined.close()
    assert wire.sent == [FIXED, "closed"]
    assert joined.is_closing()
