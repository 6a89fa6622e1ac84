"""The real kubectl, as a user runs it."""

import asyncio
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT_S = 60.0
"""A kubectl that takes longer hangs."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one command gave."""

    command: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The output of ``-o json``."""
        return json.loads(self.stdout)

    def ok(self) -> "Result":
        """Return itself if the command succeeded, else fail the test with what it said."""
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
        # A cache of its own: ports are used again by later clusters with other kinds.
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
        """Run one command while the event loop goes on."""
        return await asyncio.to_thread(self.run, *arguments, stdin=stdin)
