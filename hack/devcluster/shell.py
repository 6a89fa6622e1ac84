"""Running other programs for their output."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from devcluster.errors import ClusterError

TAIL_LINES: Final = 12
"""Lines at the end of a failed command's output that its error shows."""


def output_of(
    command: Sequence[str | Path],
    what: str,
    *,
    error: type[ClusterError] = ClusterError,
    env: Mapping[str, str] | None = None,
    stdin: Path = Path("/dev/null"),
    within_s: float | None = None,
) -> str:
    """Return the output of a command.

    Args:
        command: the program and its arguments.
        what: names the command in messages.
        error: the class of the error.
        env: its environment, if not this program's.
        stdin: the file that it reads.
        within_s: its deadline.

    Raises:
        ClusterError: the command failed, with the end of its own output, or did not end in time.
    """
    try:
        with stdin.open("rb") as source:
            done = subprocess.run(
                command,
                env=env,
                stdin=source,
                capture_output=True,
                check=False,
                timeout=within_s,
                encoding="utf-8",
                errors="replace",
            )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise error(f"{what}: {problem}") from problem
    if done.returncode:
        raise error(what + _tail(done.stderr or done.stdout))
    return done.stdout


def output_or_empty(*command: str | Path) -> str:
    """Return the output of a command; an empty one if the program is missing or fails."""
    try:
        return output_of(command, str(command[0]))
    except ClusterError:
        return ""


def _tail(output: str) -> str:
    lines = output.strip().splitlines()[-TAIL_LINES:]
    if len(lines) == 1:
        return f": {lines[0]}"
    return "".join([":", *(f"\n  {line}" for line in lines)]) if lines else ""
