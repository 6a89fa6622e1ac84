"""An HTTPS proxy before the API server that a test makes bad: it refuses, delays and cuts.

It serves with the API server's own certificate, so that only the port of a kubeconfig differs.
"""

import asyncio
import json
import random
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from devcluster.controlplane import ControlPlane
from devcluster.kubeconfig import write_kubeconfig

HOP_BY_HOP: Final = frozenset({"connection", "transfer-encoding", "content-length", "host"})
FAULTS: Final = (
    "429",
    "500",
    "503",
    "a page of 502",
    "cut before",
    "cut after",
    "cut within",
    "slow",
)
"""``cut after`` is cut when the API server has carried the request out; ``cut within`` is cut in
the middle of the answer, and a watch after some events."""
SLOW_S: Final = 0.5
CHUNKS_BEFORE_CUT: Final = 3


class BadProxy:
    """Passes requests on, and lets a share of them fail while a storm lasts."""

    def __init__(self, plane: ControlPlane, seed: int) -> None:
        self._plane = plane
        self._random = random.Random(seed)
        self._session: aiohttp.ClientSession | None = None
        self.share = 0.0
        """The share of requests that fail, 0 to 1."""
        self.faults: tuple[str, ...] = FAULTS
        self.failed: Counter[str] = Counter()
        """Number of requests by fault."""
        self._open: dict[int, web.Request] = {}
        self.port = 0

    def cut_all(self) -> None:
        """Cut all open connections, watches among them."""
        for request in list(self._open.values()):
            _cut(request)

    def kubeconfig(self, file: Path, token: str) -> Path:
        """Write a kubeconfig for the API server behind this proxy, and return its path."""
        return write_kubeconfig(
            file,
            name="bad",
            server=f"https://127.0.0.1:{self.port}",
            ca_file=self._plane.ca_file,
            credentials=token,
        )

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        fault = ""
        if self._random.random() < self.share:
            fault = self._random.choice(self.faults)
            self.failed[fault] += 1
        self._open[id(request)] = request
        try:
            return await self._answer(request, fault)
        finally:
            del self._open[id(request)]

    async def _answer(self, request: web.Request, fault: str) -> web.StreamResponse:
        if fault == "cut before":
            return _cut(request)
        if fault == "a page of 502":
            return web.Response(status=502, text="<html>bad gateway</html>")
        if fault.isdecimal():
            status = {"kind": "Status", "apiVersion": "v1", "code": int(fault), "message": "storm"}
            headers = {"Retry-After": "1"} if fault == "429" else {}
            return web.Response(
                status=int(fault),
                body=json.dumps(status).encode(),
                content_type="application/json",
                headers=headers,
            )
        if fault == "slow":
            await asyncio.sleep(SLOW_S)
        return await self._pass_on(request, fault)

    async def _pass_on(self, request: web.Request, fault: str) -> web.StreamResponse:
        assert self._session is not None
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP}
        url = self._plane.server + request.raw_path
        async with self._session.request(
            request.method, url, headers=headers, data=await request.read()
        ) as answer:
            if fault == "cut after":
                await answer.read()
                return _cut(request)
            response = web.StreamResponse(status=answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in HOP_BY_HOP:
                    response.headers[name] = value
            if answer.content_length is not None and fault != "cut within":
                response.content_length = answer.content_length
            await response.prepare(request)
            chunks = 0
            async for chunk in answer.content.iter_any():
                chunks += 1
                if fault == "cut within" and (chunks > CHUNKS_BEFORE_CUT or answer.content_length):
                    await response.write(chunk[: len(chunk) // 2])
                    return _cut(request)
                if fault == "slow":
                    await asyncio.sleep(SLOW_S / 5)
                await response.write(chunk)
            await response.write_eof()
            return response

    async def open(self) -> None:
        """Listen on a free port."""
        keys = self._plane.credentials.serving
        ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        ours.load_cert_chain(keys.certificate, keys.key)
        theirs = ssl.create_default_context(cafile=str(self._plane.ca_file))
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=theirs, limit=0),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        app = web.Application(client_max_size=16 * 2**20)
        app.router.add_route("*", "/{path:.*}", self.answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=ours).start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Cut all connections and stop listening."""
        self.cut_all()
        await self._runner.cleanup()
        assert self._session is not None
        await self._session.close()


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


@asynccontextmanager
async def bad_proxy(plane: ControlPlane, seed: int = 0) -> AsyncIterator[BadProxy]:
    """Serve a `BadProxy` before a control plane; it is good until a test makes it bad."""
    proxy = BadProxy(plane, seed)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.close()
