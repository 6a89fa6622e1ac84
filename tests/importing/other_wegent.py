"""A server with the paths and answers of Wegent's REST API."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.importing.shapes import Body, ghost, model, shell, wegent
from tests.importing.test_files import SKILL, zipped

TOKEN = "token-of-the-other-wegent"


class Wegent(BaseHTTPRequestHandler):
    """Paths of Wegent's REST API, with the answers that they have."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {key: value[0] for key, value in parse_qs(parts.query).items()}
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._answer(401, b'{"detail": "no"}')
            return
        raw = self._body(parts.path, query)
        self._answer(404 if raw is None else 200, raw or b"{}")

    def _body(self, path: str, query: dict[str, str]) -> bytes | None:
        objects: dict[str, list[Body]] = {
            "/api/v1/namespaces/default/ghosts": [ghost()],
            "/api/v1/namespaces/default/models": [model()],
            "/api/v1/namespaces/team/web/shells": [shell()],
        }
        if path == "/api/groups":
            return json.dumps({"items": [{"name": "team/web"}], "total": 1}).encode()
        if path == "/api/v1/kinds/skills":
            first = query["namespace"] == "default" and query["skip"] == "0"
            found = wegent("Skill", "draw", {"description": "d"}, labels={"id": "5"})
            return json.dumps({"kind": "SkillList", "items": [found] if first else []}).encode()
        if path == "/api/v1/kinds/skills/5/download":
            return zipped(**{"SKILL.md": SKILL})
        if path.startswith("/api/v1/namespaces/"):
            plural = path.rpartition("/")[2]
            items = objects.get(path, [])
            kind = f"{plural[:-1].capitalize()}List"
            return json.dumps(
                {"apiVersion": "agent.wecode.io/v1", "kind": kind, "items": items}
            ).encode()
        return None

    def _answer(self, status: int, raw: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        pass


class Slow(Wegent):
    """Sends one byte of an answer after the other, without an end."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        with suppress(OSError):
            while True:
                self.wfile.write(b" ")
                time.sleep(0.02)


@contextmanager
def running(handler: type[Wegent]) -> Iterator[str]:
    """Run a server, and yield its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def other() -> Iterator[str]:
    with running(Wegent) as url:
        yield url


@pytest.fixture
def slow() -> Iterator[str]:
    with running(Slow) as url:
        yield url
