"""The parts of hostile requests that all sorts share."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from tests.api.users import PASSWORD

WEBSOCKET: Final = "/api/v1/ws"
SECRET: Final = "hunter2-never-logged"
"""Stands in each place where a client may send a password or a token."""


class End(Enum):
    """The client's behaviour after its last byte."""

    ANSWER = "reads one answer"
    EOF = "closes its side, and reads to the end"
    CUT = "cuts the connection at once"


@dataclass(frozen=True, slots=True)
class Hostile:
    """One request."""

    sort: str
    pieces: tuple[bytes, ...]
    """Sent with a short pause between two of them."""
    end: End
    head: bool = False
    """True for a HEAD request, whose answer has no body."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the OpenAPI document."""

    method: str
    path: str
    """Path with placeholders filled in."""
    media_type: str
    example: Any
    parameters: tuple[str, ...]
    """Names of the parameters in the query."""


def operations(document: dict[str, Any], namespace: str) -> Iterator[Operation]:
    """Yield the operations of the document, except for the WebSocket.

    The examples' password is that of the tests' users; another one stands in its place.
    """
    for path, methods in document["paths"].items():
        if path == WEBSOCKET:
            continue
        filled = path.replace("{namespace}", namespace)
        for method, operation in methods.items():
            contents = operation.get("requestBody", {}).get("content", {"": {}})
            names = tuple(
                it["name"] for it in operation.get("parameters", ()) if it["in"] == "query"
            )
            for media_type, content in contents.items():
                example = json.dumps(content.get("example")).replace(PASSWORD, SECRET)
                yield Operation(method.upper(), filled, media_type, json.loads(example), names)


class Maker:
    """Makes requests from the operations of a document.

    Args:
        document: the OpenAPI document.
        namespace: the namespace in which the user may write.
        token: the user's token.
        chance: selects the requests.
    """

    def __init__(
        self, document: dict[str, Any], namespace: str, token: str, chance: random.Random
    ) -> None:
        self.random = chance
        self.namespace = namespace
        self.token = token
        self.operations = list(operations(document, namespace))
        self.with_bodies = [it for it in self.operations if it.example is not None]

    def head(self, method: str, target: bytes, auth: bytes) -> bytes:
        return b"%s %s HTTP/1.1\r\nHost: x\r\n%s" % (method.encode(), target, auth)

    def auth(self) -> bytes:
        if self.random.random() < 0.12:
            wrong = ("", f"Bearer {SECRET}", f"Bearer {self.token[:-3]}", "Bearer a.b.c", "Basic x")
            value = self.random.choice(wrong)
        else:
            value = f"Bearer {self.token}"
        return f"Authorization: {value}\r\n".encode() if value else b""

    def filled(self, path: str) -> str:
        while "{" in path:
            name = f"h{self.random.randrange(40)}"
            path = path[: path.index("{")] + name + path[path.index("}") + 1 :]
        return path
