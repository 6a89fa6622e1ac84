"""``Idempotency-Key``: a request that is sent twice makes one Task.

A client without an answer doesn't know whether its Task was made. The name of the Task follows from
the caller and the key, so that the API server refuses a second one. Then the first is the answer.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Header

from wegent_api.openai_api.errors import Refusal, invalid
from wegent_api.upstream.identity import Identity
from wegent_crds.registry import GROUP
from wegent_crds.well_known import CREATED_BY

HEADER: Final = "Idempotency-Key"
KEY_MAX: Final = 255
CLIENT_REQUEST: Final = f"{GROUP}/client-request"
"""Annotation of a Task: a digest of the client's request."""
DIGEST_CHARS: Final = 32

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias=HEADER,
        description="A text of the client's own, 1 to 255 printable ASCII characters. A request"
        " with the same key, body and caller is answered by the Task of the first one.",
    ),
]


@dataclass(frozen=True, slots=True)
class Once:
    """A request that makes one Task, however often it is sent.

    Attributes:
        name: Name of the Task.
        digest: Digest of the request.
        user: User name of the caller in the API server.
    """

    name: str
    digest: str
    user: str

    def check(self, task: Mapping[str, Any]) -> None:
        """Check that a Task of this name was made by the same request of the same caller.

        Raises:
            Refusal: it wasn't.
        """
        annotations = task["metadata"].get("annotations") or {}
        if annotations.get(CREATED_BY) != self.user:
            raise _refused(409, f"another user has made the Task {self.name}; use another key")
        if annotations.get(CLIENT_REQUEST) != self.digest:
            raise _refused(422, "was used with another request; use another key for this one")


def once(
    key: str | None, prefix: str, caller: Identity, namespace: str, body: Mapping[str, Any]
) -> Once | None:
    """Return the request of a key; None without a key.

    Args:
        key: The header.
        prefix: Beginning of the Task's name.
        caller: The caller. A user who is created again under the same name is another one.
        namespace: Namespace of the Task.
        body: The body of the request.

    Raises:
        Refusal: the key is not valid.
    """
    if key is None:
        return None
    if not re.fullmatch(rf"[ -~]{{1,{KEY_MAX}}}", key):
        raise invalid(HEADER, f"must be 1 to {KEY_MAX} printable ASCII characters")
    name = _digest([caller.username, caller.uid, namespace, key])
    return Once(f"{prefix}-{name}", _digest(body), caller.username)


def _digest(value: Any) -> str:
    """Return a digest of JSON, which doesn't depend on the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_CHARS]


def _refused(status: int, message: str) -> Refusal:
    told = f"{HEADER}: {message}"
    return Refusal(status, told, param=HEADER, code="idempotency_key_in_use")
