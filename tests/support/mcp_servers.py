"""Real MCP servers as processes, and the plans to call them."""

import asyncio
import ipaddress
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.npm import installed
from tests.support.waiting import eventually
from wegent_runner.agents.mcp.client import McpClient
from wegent_runner.engine.egress import EgressPolicy
from wegent_runner.engine.keys import ApiKey, KeyNotUsable, Keys, check_host
from wegent_runner.plan.plan import McpServerPlan, SecretKey

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
SDK_SERVER = (sys.executable, "-P", str(Path(__file__).with_name("mcp_sdk_server.py")))
"""Its command, which doesn't take this folder's modules for those of the standard library."""
EVERYTHING = Path(__file__).parents[1] / "runner" / "agents" / "mcp" / "servers"
NODE = shutil.which("node") or ""
START_WITHIN_S = 60.0


class HeldKeys(Keys):
    """Keys without a cluster: the Secrets' values and hosts are given."""

    def __init__(self, keys: Mapping[SecretKey, ApiKey] | None = None) -> None:
        self.keys = dict(keys or {})
        self.forgotten: list[SecretKey] = []

    async def get(self, place: SecretKey, url: str) -> str:
        if place not in self.keys:
            raise KeyNotUsable(f"Secret {place.name} does not exist")
        check_host(self.keys[place], place, url)
        return self.keys[place].value

    def forget(self, place: SecretKey) -> None:
        self.forgotten.append(place)


def mcp_client(keys: Keys | None = None, **options: Any) -> McpClient:
    """Return a client that may call loopback."""
    return McpClient(keys or HeldKeys(), EgressPolicy([LOOPBACK]), **options)


def http_server(url: str, name: str = "it", **fields: Any) -> McpServerPlan:
    """Return the plan of a server by Streamable HTTP, unless ``transport`` is another one."""
    return McpServerPlan(**{"name": name, "transport": "http", "url": url, **fields})


def stdio_server(*arguments: str, name: str = "it", **fields: Any) -> McpServerPlan:
    """Return the plan of a command by stdio; without arguments, of the Python SDK's server."""
    command, *args = arguments or (*SDK_SERVER, "stdio", "0")
    return McpServerPlan(name=name, transport="stdio", command=command, args=tuple(args), **fields)


@dataclass
class Process:
    """A server in a process of its own."""

    process: asyncio.subprocess.Process
    port: int
    path: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"

    def kill(self) -> None:
        """End it at once, without a chance to say so."""
        self.process.send_signal(signal.SIGKILL)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return int(it.getsockname()[1])


@asynccontextmanager
async def sdk_server(transport: str = "streamable-http", port: int = 0) -> AsyncIterator[Process]:
    """Start the server of the Python SDK."""
    port = port or free_port()
    path = "/sse" if transport == "sse" else "/mcp"
    command = [*SDK_SERVER, transport, str(port)]
    async with _started(command, port, path, {}) as process:
        yield process


@asynccontextmanager
async def everything_server(transport: str = "streamableHttp") -> AsyncIterator[Process]:
    """Start the reference server of the protocol, which is written in TypeScript."""
    port = free_port()
    directory = await asyncio.to_thread(installed, EVERYTHING)
    program = directory / "node_modules/@modelcontextprotocol/server-everything/dist/index.js"
    path = "/sse" if transport == "sse" else "/mcp"
    environment = {"PORT": str(port)}
    async with _started([NODE, str(program), transport], port, path, environment) as process:
        yield process


@asynccontextmanager
async def _started(
    command: list[str], port: int, path: str, environment: Mapping[str, str]
) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await eventually(
            lambda: _listens(port), within_s=START_WITHIN_S, what="the MCP server listens"
        )
        yield Process(process, port, path)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as it:
        return it.connect_ex(("127.0.0.1", port)) == 0
