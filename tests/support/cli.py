"""The installed command ``wegent``, as a user runs it, with a home of its own."""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from tests.support import forked
from tests.support.commands import Result, run
from tests.support.terminal import TerminalProgram

PROGRAM = Path(sys.executable).with_name("wegent")
PLUGIN = PROGRAM.with_name("kubectl-wegent")
TIMEOUT_S = 150.0
"""A command that takes longer hangs."""
OWN_VARIABLES = ("PATH", "LANG", "LC_ALL", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")


@dataclass(frozen=True)
class Cli:
    """The command with the configuration of one user.

    Attributes:
        home: the user's home directory.
        variables: further variables of the environment.
    """

    home: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        """The whole environment of the command."""
        inherited = {key: os.environ[key] for key in OWN_VARIABLES if key in os.environ}
        path = f"{PROGRAM.parent}{os.pathsep}{inherited.get('PATH', '')}"
        return {**inherited, "PATH": path, "HOME": str(self.home), **self.variables}

    def with_(self, **variables: str) -> "Cli":
        """Return the same user with further variables."""
        return Cli(self.home, {**self.variables, **variables})

    @property
    def config_file(self) -> Path:
        """The configuration file."""
        return self.home / ".config" / "wegent" / "config.yaml"

    @property
    def context(self) -> dict[str, Any]:
        """The current context of the configuration file."""
        config = yaml.safe_load(self.config_file.read_text())
        return next(it for it in config["contexts"] if it["name"] == config["currentContext"])

    def edit(self, **fields: Any) -> None:
        """Change fields of the current context, as time does."""
        config = yaml.safe_load(self.config_file.read_text())
        for context in config["contexts"]:
            if context["name"] == config["currentContext"]:
                context.update(fields)
        self.config_file.write_text(yaml.safe_dump(config))

    async def run(self, *arguments: str | Path, stdin: str = "") -> Result:
        """Run one command without a terminal; its input and its output are files."""
        command = (str(PROGRAM), *map(str, arguments))
        with TemporaryDirectory() as directory:
            streams = [Path(directory, name) for name in ("stdin", "stdout", "stderr")]
            streams[0].write_bytes(stdin.encode())
            process = forked.start_command(command, self.env, self.home, streams)
            try:
                code = await asyncio.to_thread(process.wait, TIMEOUT_S)
            finally:
                process.kill()
            _, out, err = (stream.read_bytes().decode() for stream in streams)
        result = Result((PROGRAM.name, *command[1:]), code, out, err)
        assert "Traceback" not in result.stderr, result.stderr
        return result

    async def run_other(self, program: Path, *arguments: str) -> Result:
        """Run another program as the same user."""
        return await asyncio.to_thread(
            run, program, (), arguments, stdin="", timeout_s=TIMEOUT_S, env=self.env
        )

    def terminal(self, *arguments: str | Path, columns: int = 80) -> TerminalProgram:
        """Return one command in a terminal, to be entered as a context manager."""
        return TerminalProgram([PROGRAM, *arguments], self.env, columns=columns)
