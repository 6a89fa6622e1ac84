"""The real kubectl, as a user runs it."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.commands import Result, run

TIMEOUT_S = 150.0
"""A command that takes longer hangs."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl with one identity."""

    program: Path
    kubeconfig: Path

    def run(self, *arguments: str | Path, stdin: str | dict[str, Any] | None = None) -> Result:
        """Run one command; ``stdin`` may be an object, for ``-f -``."""
        text = json.dumps(stdin) if isinstance(stdin, dict) else stdin or ""
        # The cache is private, since later clusters with other kinds reuse the ports.
        cache = self.kubeconfig.with_name("kubectl-cache")
        options = (f"--kubeconfig={self.kubeconfig}", f"--cache-dir={cache}")
        return run(self.program, options, arguments, stdin=text, timeout_s=TIMEOUT_S, env={})

    async def call(
        self, *arguments: str | Path, stdin: str | dict[str, Any] | None = None
    ) -> Result:
        """Run one command without blocking the event loop."""
        return await asyncio.to_thread(self.run, *arguments, stdin=stdin)
