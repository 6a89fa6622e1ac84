"""A web server whose faults each test chooses."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Upstream:
    """A server with an answer for each path; it records the requests."""

    url: str
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    """Set at the end of the test to release requests that hang."""

    def file(self, path: str, content: bytes) -> None:
        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            request.send_header("Content-Length", str(len(content)))
            request.end_headers()
            request.wfile.write(content)

        self.answers[path] = answer

    def cut(self, path: str, content: bytes, *, after: int, times: int = 1 << 30) -> None:
        """End the connection ``after`` bytes, the first ``times`` times."""
        self.file(path, content)
        whole, left = self.answers[path], iter(range(times))

        def answer(request: BaseHTTPRequestHandler) -> None:
            if next(left, None) is None:
                whole(request)
                return
            request.send_response(200)
            request.send_header("Content-Length", str(len(content)))
            request.end_headers()
            request.wfile.write(content[:after])
            request.close_connection = True

        self.answers[path] = answer

    def redirect(self, path: str, to: str) -> None:
        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(302)
            request.send_header("Location", self.url + to)
            request.end_headers()

        self.answers[path] = answer

    def hang(self, path: str) -> None:
        """Accept the request and never answer."""

        def answer(_: BaseHTTPRequestHandler) -> None:
            self.released.wait(60)

        self.answers[path] = answer


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path.removeprefix("/"))
            answer = state.answers.get(self.path.removeprefix("/"))
            if answer is None:
                self.send_error(404)
            else:
                answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state = Upstream(f"http://127.0.0.1:{server.server_port}/")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield state
        state.released.set()
        server.shutdown()
        thread.join()
