"""A stand-in for the API server that records the requests, byte for byte."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

KINDS_PATH = b"/apis/agent.wecode.io/v1/namespaces/default/"
ANSWER = b'{"kind":"Ghost","metadata":{}}'
WHO = b'{"kind":"SelfSubjectReview","status":{"userInfo":{"username":"somebody"}}}'


class Recorder:
    """A server that answers each caller's request with the next of ``answers``, else an object.

    The proxy's own requests (its sweep makes some at its start) and its questions for the caller's
    identity are answered and not recorded.
    """

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.answers: list[bytes] = []
        self.url = ""

    def clear(self) -> None:
        """Forget everything."""
        self.requests.clear()
        self.answers.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = [
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length:")
                ]
                body = await reader.readexactly(length[0] if length else 0)
                line = head.split(b"\r\n")[0]
                callers = KINDS_PATH in line
                if callers:
                    self.requests.append(head + body)
                other = http_answer(WHO if b"/selfsubjectreviews " in line else ANSWER)
                writer.write(self.answers.pop(0) if callers and self.answers else other)
                await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


def http_answer(
    body: bytes, status: str = "200 OK", content_type: str = "application/json", extra: str = ""
) -> bytes:
    """Return a complete HTTP answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}{extra}\r\n".encode() + body


def status_body(code: int) -> bytes:
    """Return a ``Status`` as the API server would send it."""
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return json.dumps({**status, "message": "no", "reason": "Test", "code": code}).encode()


def headers_of(request: bytes) -> dict[str, str]:
    """Return a recorded request's headers by lower-case name; fail if a name repeats."""
    lines = request.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    split = [line.partition(":") for line in lines]
    pairs = [(name.lower(), value.strip()) for name, _, value in split]
    assert len(dict(pairs)) == len(pairs), f"a header is there twice: {pairs}"
    return dict(pairs)


@asynccontextmanager
async def recorder() -> AsyncIterator[Recorder]:
    """Run a `Recorder` on a free port."""
    recording = Recorder()
    server = await asyncio.start_server(recording.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    recording.url = f"http://{host}:{port}"
    async with server:
        yield recording
