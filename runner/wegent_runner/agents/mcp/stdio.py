"""MCP over the standard streams of a command, on one's own machine.

The SDK's transport reads lines of any length, and takes seconds to end. This one has bounds: of a
line, of the environment, and of the time that the command has to end.
"""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import anyio
import mcp_types as types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage

from wegent_runner.agents.mcp.wire import (
    END_S,
    MESSAGE_MAX_BYTES,
    Code,
    Ended,
    Fault,
    TransportStreams,
)
from wegent_runner.plan.plan import McpServerPlan

INHERITED: Final = ("PATH", "HOME", "LANG")
"""Variables that the command gets of the runner's. The others may hold secrets."""
CHILD: Final = Path(__file__).with_name("stdio_child.py")


@asynccontextmanager
async def open_stdio(plan: McpServerPlan, ended: Ended) -> AsyncIterator[TransportStreams]:
    """Start a command, and yield its streams. At the end, all its processes are killed.

    Raises:
        Fault: the command doesn't exist, or can't be started.
    """
    process, held = await _start(plan)
    to_session, reading = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    writing, from_session = anyio.create_memory_object_stream[SessionMessage](0)
    tasks = [
        asyncio.create_task(_read(process, to_session, ended)),
        asyncio.create_task(_write(process, from_session, ended)),
    ]
    try:
        yield reading, writing
    finally:
        for stream in (reading, writing, to_session, from_session):
            stream.close()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await _end(process, held)


async def _start(plan: McpServerPlan) -> tuple[asyncio.subprocess.Process, int]:
    """Start the command; return its process, and the pipe with whose end its processes end.

    Raises:
        Fault: the command doesn't exist, or can't be started.
    """
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    environment |= plan.env
    command = shutil.which(plan.command or "", path=environment.get("PATH", os.defpath))
    if command is None:
        raise Fault(Code.NOT_SENT, f"the command {plan.command} is not installed")
    watched, held = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(CHILD), str(watched), command, *plan.args,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
            cwd=environment.get("HOME", "/"),
            limit=MESSAGE_MAX_BYTES,
            start_new_session=True,
            pass_fds=(watched,),
        )  # fmt: skip
    except BaseException as error:
        os.close(held)
        if not isinstance(error, OSError | ValueError):
            raise
        told = f"the command {plan.command} can't be started: {error}"
        raise Fault(Code.NOT_SENT, told) from error
    finally:
        os.close(watched)
    return process, held


async def _read(
    process: asyncio.subprocess.Process,
    to_session: MemoryObjectSendStream[SessionMessage | Exception],
    ended: Ended,
) -> None:
    """Pass on what the command writes. Other lines, such as logs, are skipped."""
    assert process.stdout is not None  # noqa: S101 - it was started with a pipe
    told = "the command has ended"
    try:
        while line := await process.stdout.readline():
            try:
                message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValueError:
                continue
            await to_session.send(SessionMessage(message))
    except ValueError:  # readline raises it for a line beyond the limit
        told = f"the command wrote a line of more than {MESSAGE_MAX_BYTES >> 20} MiB"
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        told = "the session has ended"
    finally:
        ended(told)
        to_session.close()


async def _write(
    process: asyncio.subprocess.Process,
    from_session: MemoryObjectReceiveStream[SessionMessage],
    ended: Ended,
) -> None:
    assert process.stdin is not None  # noqa: S101 - it was started with a pipe
    try:
        async for item in from_session:
            text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
            process.stdin.write(text.encode() + b"\n")
            await process.stdin.drain()
    except OSError:
        ended("the command does not read any more")
    except anyio.ClosedResourceError:
        return


async def _end(process: asyncio.subprocess.Process, held: int) -> None:
    """Close the command's input, and kill all its processes if it doesn't end by itself."""
    assert process.stdin is not None  # noqa: S101 - it was started with pipes
    assert process.stdout is not None  # noqa: S101
    process.stdin.close()
    rest = asyncio.create_task(_skip(process.stdout))
    gone = asyncio.create_task(process.wait())
    try:
        await asyncio.wait({rest}, timeout=END_S / 2)
    finally:
        os.close(held)  # the child kills all processes of the command
        await asyncio.wait({gone}, timeout=END_S / 2)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await gone
        await asyncio.wait({rest}, timeout=END_S / 2)
        rest.cancel()


async def _skip(stream: asyncio.StreamReader) -> None:
    """Read to the end, so that the pipe is closed."""
    while await stream.read(1 << 16):
        pass
