"""MCP servers by stdio: commands on one's own machine, if the setting permits them."""

import asyncio
import json
import os
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devcluster.checkout import CHECKOUT
from tests.runner.agents.mcp.test_client import tool
from tests.support.mcp_servers import SDK_SERVER, mcp_client, stdio_server
from tests.support.waiting import eventually
from wegent_runner.agents.mcp import stdio
from wegent_runner.agents.mcp.client import McpClient, RequiredServerDown
from wegent_runner.agents.mcp.server import UNKNOWN
from wegent_runner.engine.tools import ToolOutput

FD_SETSIZE = 1024
TIME = (sys.executable, "-m", "mcp_server_time", "--local-timezone", "UTC")


@pytest.fixture
async def mcp() -> AsyncIterator[McpClient]:
    async with mcp_client(stdio_permitted=True) as client:
        yield client


def is_alive(pid: int) -> bool:
    """Return True if a process runs; a zombie doesn't."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


async def test_the_time_server(mcp: McpClient) -> None:
    async with mcp.toolset([stdio_server(*TIME)]) as tools:
        assert tools.notices == []
        noon = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
        converted = await tool(tools, "convert_time").call(noon)
        assert not converted.failed
        assert "T21:00:00+09:00" in converted.text
        failed = await tool(tools, "convert_time").call({**noon, "time": "noon"})
        assert failed.failed


async def test_stdio_is_not_permitted_by_default(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    it = stdio_server("touch", str(mark), name="shell")
    async with mcp_client() as mcp:
        async with mcp.toolset([it]) as tools:
            (notice,) = tools.notices
        assert notice.startswith("MCP server shell: type stdio is not permitted here")
        for setting in ("WEGENT_RUNNER_STDIO_PERMITTED", "WEGENT_OPERATOR_STDIO_PERMITTED"):
            assert setting in notice
        required = stdio_server("touch", str(mark), name="shell", required=True)
        with pytest.raises(RequiredServerDown, match="shell: type stdio is not permitted"):
            await mcp.toolset([required]).__aenter__()
    assert not mark.exists()


async def test_the_environment_has_nothing_of_the_runners(
    mcp: McpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEGENT_RUNNER_STORE_URL", "postgresql://user:secret@host/name")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    async with mcp.toolset([stdio_server(env={"CITY": "Berlin"})]) as tools:
        told = json.loads((await tool(tools, "environment").call({})).text)
    assert set(told) - {"LC_CTYPE"} <= {"PATH", "HOME", "LANG", "CITY"}
    assert told["CITY"] == "Berlin"


async def test_all_processes_of_a_command_end_with_the_run(mcp: McpClient, tmp_path: Path) -> None:
    mark = tmp_path / "pids"
    async with mcp.toolset([stdio_server()]) as tools:
        await tool(tools, "forks").call({"mark": str(mark)})
        pids = [int(pid) for pid in mark.read_text().split()]
        assert all(map(is_alive, pids))
        began = time.monotonic()
    assert time.monotonic() - began < 1.0
    await eventually(lambda: not any(map(is_alive, pids)), within_s=1, what="all have ended")


async def test_a_command_that_ignores_its_end_is_killed(mcp: McpClient) -> None:
    script = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(300)"
    began = time.monotonic()
    async with mcp.toolset([stdio_server(sys.executable, "-c", script, timeout_s=1.0)]) as tools:
        (notice,) = tools.notices
    assert "did not answer within 1 s" in notice
    assert time.monotonic() - began < 3.0


BREEDER = """
note() { echo $1 >> MARK; }
sleep 300 &
note $!
(setsid sh -c 'echo $$ >> MARK; exec sleep 300' &)
note $$
exec sleep 300
"""
"""A command with a child, and a grandchild that leaves its session and loses its parent."""


async def born(mark: Path) -> list[int]:
    """Return the processes of ``BREEDER``, once there are all three."""

    def probe() -> list[int]:
        pids = [int(pid) for pid in mark.read_text().split()] if mark.exists() else []
        return pids if len(pids) == 3 else []

    return await eventually(probe, within_s=60, what="three processes")


async def test_all_processes_of_a_command_die_with_a_killed_runner(tmp_path: Path) -> None:
    """They don't read their input, so that they would not notice by themselves."""
    mark = tmp_path / "pids"
    breeder = BREEDER.replace("MARK", str(mark))
    script = f"""
import asyncio
from tests.support.mcp_servers import mcp_client, stdio_server

async def main():
    it = stdio_server("sh", "-c", {breeder!r}, timeout_s=300.0)
    async with mcp_client(stdio_permitted=True) as mcp, mcp.toolset([it]):
        pass

asyncio.run(main())
"""
    runner = await asyncio.create_subprocess_exec(sys.executable, "-c", script, cwd=CHECKOUT)
    try:
        pids = await born(mark)
        assert all(map(is_alive, pids))
    finally:
        runner.kill()
        await runner.wait()
    await eventually(lambda: not any(map(is_alive, pids)), within_s=2, what="all have ended")


async def test_a_process_that_left_the_session_ends_with_the_run(
    mcp: McpClient, tmp_path: Path
) -> None:
    mark = tmp_path / "pids"
    breeder = BREEDER.replace("MARK", str(mark))
    it = stdio_server("sh", "-c", breeder, timeout_s=2.0)
    async with mcp.toolset([it]):
        pids = await born(mark)
    await eventually(lambda: not any(map(is_alive, pids)), within_s=2, what="all have ended")


async def test_a_runner_with_many_descriptors_starts_commands(mcp: McpClient) -> None:
    """The pipe to the process beside the command gets a number beyond those of select()."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FD_SETSIZE + 100
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted + 100), hard))
    taken: list[int] = []
    try:
        while not taken or taken[-1] < wanted:
            taken.append(os.open(os.devnull, os.O_RDONLY))
        before = own_children()
        async with mcp.toolset([stdio_server()]) as tools:
            assert await tool(tools, "add").call({"a": 1, "b": 2}) == ToolOutput("3")
            assert own_children() - before
        await eventually(lambda: own_children() <= before, within_s=2, what="it has ended")
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_no_process_is_left_beside_a_command_that_has_ended(mcp: McpClient) -> None:
    before = own_children()
    async with mcp.toolset([stdio_server("true")]):
        await eventually(lambda: own_children() <= before, within_s=5, what="it has ended")


def own_children() -> set[str]:
    """Return the running children of this process."""
    pids = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()
    return {pid for pid in pids if is_alive(int(pid))}


async def test_a_command_that_dies_is_started_again(mcp: McpClient, tmp_path: Path) -> None:
    mark = tmp_path / "pids"
    async with mcp.toolset([stdio_server()]) as tools:
        await tool(tools, "forks").call({"mark": str(mark)})
        first = int(mark.read_text().split()[0])
        calling = asyncio.create_task(tool(tools, "sleeps").call({"seconds": 60}))
        await asyncio.sleep(0.3)
        os.kill(first, signal.SIGKILL)
        result = await asyncio.wait_for(calling, 30)
        assert result == ToolOutput(f"MCP server it: the command has ended; {UNKNOWN}", failed=True)
        assert await tool(tools, "add").call({"a": 1, "b": 2}) == ToolOutput("3")


async def test_a_line_that_is_too_long(mcp: McpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdio, "MESSAGE_MAX_BYTES", 1 << 20)
    async with mcp.toolset([stdio_server()]) as tools:
        large = await tool(tools, "large").call({"size": 3_000_000})
        assert large.failed
        assert "wrote a line of more than 1 MiB" in large.text
        assert await tool(tools, "add").call({"a": 1, "b": 2}) == ToolOutput("3")


async def test_what_a_command_logs_to_its_output_is_skipped(mcp: McpClient) -> None:
    command = " ".join((*SDK_SERVER, "stdio", "0"))
    it = stdio_server("sh", "-c", f"echo starting; echo '{{}}'; exec {command}")
    async with mcp.toolset([it]) as tools:
        assert await tool(tools, "add").call({"a": 1, "b": 2}) == ToolOutput("3")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("no-such-command", "the command no-such-command is not installed"),
        ("true", "the command has ended"),
    ],
)
async def test_a_command_that_is_no_server(mcp: McpClient, command: str, told: str) -> None:
    async with mcp.toolset([stdio_server(command)]) as tools:
        assert tools.notices == [f"MCP server it: {told}; its tools are missing"]
