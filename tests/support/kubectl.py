"""The real kubectl, as a user runs it."""

import asyncio
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT_S = 60.0
"""A command that takes longer hangs."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one command."""

    command: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The output of ``-o json``."""
        return json.loads(self.stdout)

    def ok(self) -> "Result":
        """Return self if the command succeeded; otherwise fail the test with its output."""
        assert self.exit_code == 0, f"kubectl {' '.join(self.command)}: {self.stderr}"
        return self


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl with one identity."""

    program: Path
    kubeconfig: Path

    def run(self, *arguments: str | Path, stdin: str | dict[str, Any] | None = None) -> Result:
        """Run one command; ``stdin`` may be an object, for ``-f -``."""
        command = tuple(str(argument) for argument in arguments)
        text = json.dumps(stdin) if isinstance(stdin, dict) else stdin
        # The cache is private, since later clusters with other kinds reuse the ports.
        cache = self.kubeconfig.with_name("kubectl-cache")
        done = subprocess.run(
            [self.program, f"--kubeconfig={self.kubeconfig}", f"--cache-dir={cache}", *command],
            input=text or "",
            capture_output=True,
            encoding="utf-8",
            timeout=TIMEOUT_S,
            check=False,
            env={k: v for k, v in os.environ.items() if k != "KUBECONFIG"},
        )
        return Result(command, done.returncode, done.stdout, done.stderr)

    async def call(
        self, *arguments: str | Path, stdin: str | dict[str, Any] | None = None
    ) -> Result:
        """Run one command without blocking the event loop."""
        return await asyncio.to_thread(self.run, *arguments, stdin=stdin)
