"""The API proxy as a separate program, and a client that shows all of an answer."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Self

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from tests.support import forked
from tests.support.starting import await_start

LISTENS_WITHIN_S = 60.0
STOPS_WITHIN_S = 45.0
LISTENING = re.compile(r"Uvicorn running on (http://[0-9.:]+)")


class ProxyProcess:
    """``python -m wegent_api``, configured by its environment alone."""

    def __init__(self, kubeconfig: Path, log: Path, **settings: str) -> None:
        self.log = log
        self.url = ""
        self._env = {
            **{key: value for key, value in os.environ.items() if key != "KUBECONFIG"},
            "WEGENT_API_KUBECONFIG": str(kubeconfig),
            "WEGENT_API_PORT": "0",
            **{f"WEGENT_API_{name.upper()}": value for name, value in settings.items()},
        }
        self._process: forked.Program | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.running():
            self.stop()

    def start(self) -> None:
        """Start the proxy on a free port that it finds itself; wait until it listens."""
        self._process = forked.start("wegent_api", self._env, self.log)
        listening = await_start(
            self._process,
            lambda: LISTENING.search(self.logged()),
            within_s=LISTENS_WITHIN_S,
            said=self.logged,
            end=self.stop,
        )
        self.url = listening[1]

    def running(self) -> bool:
        """Return True if the proxy was started, and its end not yet awaited."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None
        return self._process.pid

    def terminate(self) -> None:
        """Ask the proxy to stop, as Kubernetes does, without waiting."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Wait until the proxy has stopped, and return its exit code."""
        assert self._process is not None
        process, self._process = self._process, None
        try:
            return process.wait(STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOPS_WITHIN_S)
            raise

    def stop(self) -> int:
        """Stop the proxy and return its exit code."""
        self.terminate()
        return self.wait()

    def logged(self) -> str:
        """Return the proxy's whole log."""
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: CIMultiDictProxy[str]
    content: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.content)

    def expect(self, status: int) -> Any:
        """Return the decoded body of an answer with ``status``; fail with it otherwise."""
        assert self.status == status, f"{self.status}, not {status}: {self.content[:2000]!r}"
        return self.json if self.content else None

    def refused(self, status: int, reason: str) -> str:
        """Check that the answer is the given ``Status``, and return its message."""
        body = self.expect(status)
        assert (body["kind"], body["apiVersion"], body["status"]) == ("Status", "v1", "Failure")
        assert (body["code"], body["reason"]) == (status, reason)
        assert self.headers["Content-Type"].split(";")[0] == "application/json"
        message: str = body["message"]
        return message

    def causes(self) -> dict[str, str]:
        """Return the reasons of a ``Status``'s causes by field."""
        return {cause["field"]: cause["reason"] for cause in self.json.get("details", {})["causes"]}


@dataclass(frozen=True, slots=True)
class Client:
    """A client of the proxy, with or without a token. Paths are sent unchanged."""

    session: aiohttp.ClientSession
    base: str
    token: str | None = None

    def as_(self, token: str | None) -> "Client":
        """Return the same client with another token."""
        return Client(self.session, self.base, token)

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request; ``body`` is sent as JSON, ``raw`` unchanged."""
        data = raw if body is None else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if data is not None:
            sent["Content-Type"] = "application/json"
        async with self.session.request(
            method,
            URL(self.base + path, encoded=True),
            data=None if data is None else BytesIO(data),
            headers={**sent, **(headers or {})},
            allow_redirects=False,
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def get(self, path: str, **more: Any) -> Answer:
        """GET."""
        return await self.send("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> Answer:
        """POST."""
        return await self.send("POST", path, body, **more)

    async def put(self, path: str, body: Any = None, **more: Any) -> Answer:
        """PUT."""
        return await self.send("PUT", path, body, **more)

    async def patch(self, path: str, body: Any = None, *, type_: str, **more: Any) -> Answer:
        """PATCH with a body of that media type."""
        headers = {"Content-Type": type_, **more.pop("headers", {})}
        return await self.send("PATCH", path, body, headers=headers, **more)

    async def delete(self, path: str, **more: Any) -> Answer:
        """DELETE."""
        return await self.send("DELETE", path, **more)
