"""The proxy's peer: FastAPI and aiohttp pass requests on with the caller's token, and do no more.

``python -m tests.benchmarks.proxy_speed.pass_through SERVER CA_FILE`` prints its URL and serves
until SIGTERM. Event loop and HTTP parser are the proxy's.
"""

import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import uvicorn
from fastapi import FastAPI, Request, Response


def create_app(server: str, ca_file: str) -> FastAPI:
    """Return the application in front of the API server at ``server``."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, aiohttp.ClientSession]]:
        connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=ca_file), limit=100)
        async with aiohttp.ClientSession(connector=connector) as session:
            yield {"session": session}

    app = FastAPI(lifespan=lifespan)

    @app.api_route("/{path:path}", methods=["GET", "POST", "PATCH", "DELETE"])
    async def pass_on(path: str, request: Request) -> Response:
        headers = {"Authorization": request.headers["authorization"]}
        body = await request.body()
        if body:
            headers["Content-Type"] = request.headers["content-type"]
        async with request.state.session.request(
            request.method, f"{server}/{path}", data=body or None, headers=headers
        ) as answer:
            content = await answer.read()
            return Response(content, answer.status, media_type=answer.content_type)

    return app


def main(server: str, ca_file: str) -> None:
    """Serve on a free port of loopback."""
    app = create_app(server, ca_file)
    uvicorn.run(app, port=0, loop="uvloop", http="httptools", ws="none", access_log=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
