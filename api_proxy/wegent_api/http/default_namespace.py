"""The namespace of requests that name none.

Models of query parameters and messages are module-level, and the namespace is a setting. The
middleware gives them the setting through a context variable, also to the builder of the OpenAPI
document.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

_NAMESPACE: Final[ContextVar[str]] = ContextVar("default_namespace", default="default")


def default_namespace() -> str:
    """Return the namespace of a request that names none."""
    return _NAMESPACE.get()


@contextmanager
def default_namespace_is(namespace: str) -> Iterator[None]:
    """Make ``namespace`` the default in this context."""
    token = _NAMESPACE.set(namespace)
    try:
        yield
    finally:
        _NAMESPACE.reset(token)


def show_default(schema: dict[str, Any]) -> None:
    """Add the default to the schema of a field. For ``json_schema_extra``."""
    schema["default"] = default_namespace()


class DefaultNamespace:
    """ASGI middleware that sets the default namespace of each request."""

    def __init__(self, app: ASGIApp, namespace: str) -> None:
        self.app = app
        self.namespace = namespace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        token = _NAMESPACE.set(self.namespace)
        try:
            await self.app(scope, receive, send)
        finally:
            _NAMESPACE.reset(token)
