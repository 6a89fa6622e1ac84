"""The route of the OpenAPI document, which is built and encoded once, in a thread.

FastAPI builds the document at the first request and encodes it at each. Requests for it need no
token. They would block the event loop for a second at first, and for some hundredths each time.
"""

import asyncio

from fastapi import FastAPI, Request, Response

from wegent_kube.content_types import JSON
from wegent_kube.encoding import encode_json


class Document:
    """The OpenAPI document of ``app``."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._making = asyncio.Lock()
        self._encoded = b""

    async def encoded(self) -> bytes:
        """Return the document as JSON."""
        async with self._making:
            if not self._encoded:
                self._encoded = await asyncio.to_thread(lambda: encode_json(self._app.openapi()))
        return self._encoded

    async def paths(self) -> list[str]:
        """Return the paths in the document."""
        await self.encoded()
        return list(self._app.openapi()["paths"])


def install_document_route(app: FastAPI) -> Document:
    """Make ``app`` serve its document by this route instead of FastAPI's. Return the document."""
    path = str(app.openapi_url)
    document = Document(app)

    async def serve(_: Request) -> Response:
        return Response(await document.encoded(), media_type=JSON)

    routes = app.router.routes
    routes[:] = [route for route in routes if getattr(route, "path", None) != path]
    app.add_route(path, serve, include_in_schema=False)
    return document
