"""A connection between a program and a server that a test can cut or stall."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from yarl import URL

from devcluster.controlplane import ControlPlane
from devcluster.kubeconfig import write_kubeconfig


class Link:
    """A TCP relay: it passes bytes on both ways, TLS included, until a test stops it."""

    def __init__(self, server: str) -> None:
        self._target = URL(server)
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._cut_after: int | None = None
        self._held: socket.socket | None = None
        """Holds the port while the link is closed, so that no other program gets it."""
        self.port = 0

    @property
    def url(self) -> str:
        """The address for a kubeconfig, in place of the API server's."""
        return f"https://127.0.0.1:{self.port}"

    async def open(self) -> None:
        """Listen; the port is the same each time."""
        self._cut_after = None
        self._flowing.set()
        held, self._held = self._held or _bound(self.port), None
        self._listener = await asyncio.start_server(self._serve, sock=held)
        self.port = held.getsockname()[1]

    async def close(self) -> None:
        """Refuse new connections, and cut the open ones."""
        if self._listener:
            self._listener.close()
        self.cut()
        if self._listener:
            await self._listener.wait_closed()
            self._held = _bound(self.port)
        self._listener = None

    async def end(self) -> None:
        """Close the link for good."""
        await self.close()
        if self._held:
            self._held.close()

    def cut(self) -> None:
        """Cut the open connections."""
        self._flowing.set()
        for writer in list(self._writers):
            writer.transport.abort()

    def stall(self) -> None:
        """Accept bytes without passing them on."""
        self._flowing.clear()

    def flow(self) -> None:
        """Pass on the bytes that were held back."""
        self._flowing.set()

    def cut_after(self, size: int) -> None:
        """Cut each connection once the API server has sent ``size`` bytes more over it."""
        self._cut_after = size

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._target.host
        server_reader, server_writer = await asyncio.open_connection(
            self._target.host, self._target.port
        )
        self._writers |= {writer, server_writer}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, server_writer, answers=False))
                group.create_task(self._pass_on(server_reader, writer, answers=True))
        finally:
            self._writers -= {writer, server_writer}
            writer.transport.abort()
            server_writer.transport.abort()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        passed = 0
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(4096):
                await self._flowing.wait()
                writer.write(chunk)
                await writer.drain()
                if answers and self._cut_after is not None:
                    passed += len(chunk)
                    if passed > self._cut_after:
                        break
        writer.transport.abort()


@asynccontextmanager
async def link_to(server: str) -> AsyncIterator[Link]:
    """Open a `Link` to ``server``."""
    link = Link(server)
    await link.open()
    try:
        yield link
    finally:
        await link.end()


def _bound(port: int) -> socket.socket:
    """Return a socket with a port of loopback, which refuses connections until it listens."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


def kubeconfig_over(link: Link, plane: ControlPlane, file: Path, token: str) -> Path:
    """Write a kubeconfig for a control plane that is reached over a `Link`, and return its path."""
    return write_kubeconfig(
        file, name="linked", server=link.url, ca_file=plane.ca_file, credentials=token
    )
