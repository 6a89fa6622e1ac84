"""A command in a real terminal: a pseudo-terminal of which it is the foreground program."""

import asyncio
import fcntl
import os
import pty
import re
import struct
import termios
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest

from tests.support import forked
from tests.support.waiting import eventually

WITHIN_S = 30.0
CTRL_C, CTRL_D = "\x03", "\x04"
ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[@-Z\\-_])")
"""Sequences that move the cursor or set colours."""


class TerminalProgram:
    """A running command of ``wegent``. The test types, and reads what the screen would show.

    Args:
        command: the program and its arguments.
        env: its whole environment.
        columns: width of the terminal.
    """

    def __init__(
        self, command: Sequence[str | Path], env: Mapping[str, str], *, columns: int = 80
    ) -> None:
        self._command = [str(part) for part in command]
        self._env = {"TERM": "xterm-256color", **env}
        self._columns = columns
        self._process: forked.Forked | None = None
        self._master = self._slave = -1
        self._read = bytearray()
        self._seen = 0

    async def __aenter__(self) -> Self:
        self._master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, self._columns, 0, 0))
        self._process = forked.start_command(
            self._command, self._env, Path.cwd(), [Path(os.ttyname(self._slave))] * 3
        )
        os.set_blocking(self._master, False)
        asyncio.get_running_loop().add_reader(self._master, self._take)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process
        self._process.kill()
        await asyncio.to_thread(self._process.wait, 10)
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._slave)
        os.close(self._master)

    def _take(self) -> None:
        with suppress(BlockingIOError):
            self._read += os.read(self._master, 65536)

    @property
    def raw(self) -> str:
        """All that the program wrote to the terminal, with the echo of the typed text."""
        return self._read.decode("utf-8", "replace")

    @property
    def text(self) -> str:
        """The same without escape sequences."""
        return ESCAPES.sub("", self.raw).replace("\r\n", "\n")

    @property
    def lines(self) -> list[str]:
        """Its lines."""
        return self.text.split("\n")

    def type(self, text: str) -> None:
        """Type text; ``\\n`` is the Enter key."""
        os.write(self._master, text.encode())

    async def expect(self, text: str, within_s: float = WITHIN_S) -> str:
        """Wait until the program has written a text after the last expected one; return all."""

        def probe() -> str:
            found = self.text.find(text, self._seen)
            if found < 0 and self._process and self._process.poll() is not None:
                pytest.fail(f"the program has ended without {text!r}: {self.text[-2000:]}")
            assert found >= 0, self.text[-2000:]
            self._seen = found + len(text)
            return self.text

        return await eventually(probe, within_s=within_s, what=f"{text!r} on the terminal")

    async def end(self, within_s: float = WITHIN_S) -> int:
        """Wait until the program has ended, and return its exit status."""
        process = self._process
        assert process

        def probe() -> tuple[int]:
            code = process.poll()
            assert code is not None, self.text[-2000:]
            return (code,)

        [code] = await eventually(probe, within_s=within_s, what="the end of the program")
        await asyncio.sleep(0.05)  # the last bytes are in the terminal's buffer
        return code
