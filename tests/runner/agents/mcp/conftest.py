"""A client of MCP servers, and a server whose answers a test writes."""

from collections.abc import AsyncIterator

import pytest

from tests.support.mcp_servers import mcp_client
from tests.support.mcp_wire import WireServer
from wegent_runner.agents.mcp.client import McpClient


@pytest.fixture
async def mcp() -> AsyncIterator[McpClient]:
    async with mcp_client() as client:
        yield client


@pytest.fixture
async def wire() -> AsyncIterator[WireServer]:
    async with WireServer() as server:
        yield server
