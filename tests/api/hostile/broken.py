"""Hostile requests that are no valid HTTP/1.1, come in pieces, or break the rules of WebSockets."""

import json
import struct
from typing import Any

from tests.api.hostile.parts import SECRET, End, Hostile, Maker
from tests.api.hostile.values import mutated


class BrokenHttp(Maker):
    """Makes requests that a server can't parse, or not to the end."""

    def bad_framing(self) -> Hostile:
        """Lengths, chunks and transfer encodings that contradict one another."""
        framing: list[bytes] = [
            b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}{}{}",
            b"Content-Length: -1\r\n\r\n{}",
            b"Content-Length: +2\r\n\r\n{}",
            b"Content-Length: 0x2\r\n\r\n{}",
            b"Content-Length: 99999999999999999999999\r\n\r\n{}",
            b"Content-Length: 2, 2\r\n\r\n{}",
            b"Content-Length: 200\r\n\r\n{}",
            b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            b"Transfer-Encoding: chunked, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            b"Transfer-Encoding: gzip\r\n\r\n{}",
            b"Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}",
            b"Transfer-Encoding: chunked\r\n\r\n2;" + b"a" * 5000 + b"\r\n{}\r\n0\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}{}\r\n0\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n",
            b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
            b"Content-Length: 2\r\n\r\n{}GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        ]
        operation = self.random.choice(self.with_bodies)
        head = self.head(operation.method, self.filled(operation.path).encode(), self.auth())
        head += b"Content-Type: %s\r\n" % operation.media_type.encode()
        return Hostile("bad framing", (head + self.random.choice(framing),), End.EOF)

    def no_http(self) -> Hostile:
        """Bytes that are no HTTP/1.1, or only nearly."""
        choices: list[bytes] = [
            self.random.randbytes(self.random.choice((1, 10, 300, 5000))),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + self.random.randbytes(200),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + self.random.randbytes(50),
            b"\x05\x01\x00",
            b"\0" * 100,
            b"\r\n" * 50,
            b"\n" * 50,
            b"SSH-2.0-x\r\n",
            b"GET /healthz\r\n\r\n",
            b"GET /healthz HTTP/0.9\r\n\r\n",
            b"GET /healthz HTTP/1.0\r\n\r\n",
            b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n",
            b"GET  /healthz  HTTP/1.1\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\n\r\n",
            b"GET /health\xffz HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /a b c HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET \t/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
            b"CONNECT other:443 HTTP/1.1\r\nHost: other\r\n\r\n",
            b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
            b"get /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
            b"G\0T /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
            b"A" * 10000 + b" / HTTP/1.1\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\nHost: x\r\nNo colon\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\nHost: x\r\n: empty\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\nHost: x\r\nFold: a\r\n b\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
            b"GET /healthz HTTP/1.1\nHost: x\n\n",
            b"GET /healthz HTTP/1.1\rHost: x\r\r",
            b"GET /" + b"a" * 140_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\nHost: x\r\nLong: " + b"a" * 140_000 + b"\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 500 + b"\r\n",
        ]
        return Hostile("no HTTP", (self.random.choice(choices),), End.EOF)

    def slow(self) -> Hostile:
        """A request in pieces, some of which never come."""
        operation = self.random.choice(self.with_bodies)
        raw = json.dumps(operation.example).encode()
        head = self.head(operation.method, self.filled(operation.path).encode(), self.auth())
        head += b"Content-Type: %s\r\nContent-Length: %d\r\n\r\n" % (
            operation.media_type.encode(),
            len(raw),
        )
        whole = head + raw
        places = sorted(self.random.sample(range(1, len(whole)), 3))
        pieces = [
            whole[start:end] for start, end in zip([0, *places], [*places, None], strict=True)
        ]
        if self.random.random() < 0.7:
            return Hostile("slow", tuple(pieces[:-1]), self.random.choice((End.CUT, End.EOF)))
        return Hostile("slow", tuple(pieces), End.CUT)

    def websocket(self) -> Hostile:
        """A handshake with faults, or frames that no client sends."""
        key = self.random.choice((b"dGhlIHNhbXBsZSBub25jZQ==",) * 5 + (b"x", b"", b"\xff" * 24))
        version = self.random.choice((b"13",) * 5 + (b"8", b"x", b"99999999999"))
        head = (
            b"GET /api/v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: %s\r\nSec-WebSocket-Key: %s\r\n\r\n" % (version, key)
        )
        says: list[Any] = [
            {"type": "auth", "token": SECRET},
            {"type": "auth", "token": self.token},
            {"type": "auth"},
            {"type": 1},
            [],
            None,
            {"type": "x" * 5000},
            {"type": "auth", "token": 1},
        ]
        said = [mutated(self.random.choice(says), self.random) for _ in range(2)]
        if self.random.random() < 0.5:
            said[0] = {"type": "auth", "token": self.token}
        frames = [_frame(1, json.dumps(it).encode()) for it in said]
        frames.append(
            self.random.choice(
                (
                    _frame(3, b"x"),
                    _frame(15, b"x"),
                    _frame(9, b"x" * 200),
                    _frame(1, b"\xff\xfe"),
                    _frame(0, b"x"),
                    _frame(8, b"\0"),
                    _frame(8, b"\x03\xe7"),
                    _frame(1, b"x", rsv=7),
                    _frame(1, b"x", masked=False),
                    b"\x81\xff" + b"\xff" * 8,
                    b"\x81\xfe",
                    b"\xff" * 64,
                    _frame(1, b'{"type":' * 9000),
                    _frame(2, b"{}"),
                    _frame(1, b"", fin=False),
                    self.random.randbytes(100),
                    _frame(1, b"[" * 60_000),
                    _frame(8, b"\x03\xe8" + b"x" * 200),
                ),
            )
        )
        return Hostile("websocket", (head, *frames), self.random.choice((End.CUT, End.EOF)))


def _frame(
    opcode: int, data: bytes, *, fin: bool = True, masked: bool = True, rsv: int = 0
) -> bytes:
    """Return one frame of a WebSocket, with a mask that changes nothing."""
    mask = 0x80 if masked else 0
    first = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if len(data) < 126:
        head = first + bytes([mask | len(data)])
    elif len(data) < 65536:
        head = first + bytes([mask | 126]) + struct.pack("!H", len(data))
    else:
        head = first + bytes([mask | 127]) + struct.pack("!Q", len(data))
    return head + (b"\0" * 4 if masked else b"") + data
