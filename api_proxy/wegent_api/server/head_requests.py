"""HEAD on every route with GET: the same answer without its body (RFC 9110, section 9.3.2).

The application serves the request as GET. uvicorn still sees HEAD, and sends no body.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadRequests:
    """ASGI middleware that serves HEAD as GET."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. All methods but HEAD pass through."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        inner = {**scope, "method": "GET"}
        answered = False

        async def head(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                answered = True
            elif message.get("more_body", False):
                raise _AnsweredError  # a stream, which might never end

        try:
            await self.app(inner, receive, head)
        except BaseException as error:
            if not answered or not _only_answered(error):
                raise
        finally:
            if "route" in inner:
                scope["route"] = inner["route"]  # the label in metrics and logs


class _AnsweredError(Exception):
    """Ends a stream after its headers, which are all that the client wants."""


def _only_answered(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_only_answered(inner) for inner in error.exceptions)
    return isinstance(error, _AnsweredError)
