"""A client of the REST API in another process, with one connection for each request."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, replace
from http.client import HTTPResponse
from typing import Any, Self

TIMEOUT_S = 30.0
"""A request that takes longer hangs."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer."""

    status: int
    text: str
    request_id: str
    """The id of the request in the proxy's log and in Kubernetes' audit log."""

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.text)

    def expect(self, status: int) -> Self:
        """Return self if the status is this one; otherwise fail with the answer."""
        assert self.status == status, f"{self.status}, not {status}: {self.text[:500]}"
        return self


@dataclass(frozen=True, slots=True)
class Rest:
    """The API at ``base``, with or without a user."""

    base: str
    token: str | None = None

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        """Send one request; ``path`` is below ``/api/v1``, or absolute for the probes."""
        where = path if path.startswith("/") else f"/api/v1/{path}"
        headers = {"Content-Type": "application/json", "Connection": "close"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + where, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                return _taken(answer.status, answer)
        except urllib.error.HTTPError as error:
            with error:
                return _taken(error.code, error)

    def log_in(self, username: str, password: str) -> "Rest":
        """Return the API as this user."""
        login = {"username": username, "password": password}
        answer = self.call("POST", "auth/login", login).expect(200).json
        assert answer["tokenType"] == "bearer"
        return replace(self, token=answer["accessToken"])

    def register(self, username: str, password: str) -> "Rest":
        """Make a user, and return the API as that user."""
        new = {"username": username, "email": f"{username}@example.com", "password": password}
        self.call("POST", "auth/register", new).expect(201)
        return self.log_in(username, password)


def _taken(status: int, answer: HTTPResponse | urllib.error.HTTPError) -> Answer:
    return Answer(status, answer.read().decode(), answer.headers["X-Request-ID"])
