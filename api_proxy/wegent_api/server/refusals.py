"""Refusals of requests that never reach the application, such as one with too long a head."""

from dataclasses import dataclass
from http import HTTPStatus

from wegent_api.http.errors import status_object
from wegent_api.http.security_headers import ALWAYS
from wegent_kube.content_types import JSON
from wegent_kube.encoding import encode_json


@dataclass(frozen=True, slots=True)
class Refusal:
    """A status code, a reason of Kubernetes, and a message."""

    code: int
    reason: str
    message: str

    def answer(self) -> bytes:
        """Return the whole answer. It ends the connection."""
        body = encode_json(status_object(self.code, self.reason, self.message))
        headers = {
            "Content-Type": JSON,
            "Content-Length": str(len(body)),
            "Connection": "close",
            "Cache-Control": "no-store",
            **ALWAYS,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {self.code} {HTTPStatus(self.code).phrase}\r\n{lines}\r\n"
        return head.encode("ascii") + body
