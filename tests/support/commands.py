"""Commands of the real programs, as a user runs them."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one command."""

    command: tuple[str, ...]
    """The program's name and its arguments, without those of the test."""
    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The output of ``-o json``."""
        return json.loads(self.stdout)

    @property
    def manifests(self) -> list[dict[str, Any]]:
        """The objects that ``helm template`` printed."""
        return [it for it in yaml.load_all(self.ok().stdout, yaml.CSafeLoader) if it]

    def ok(self) -> "Result":
        """Return self if the command succeeded; otherwise fail the test with its output."""
        assert self.exit_code == 0, f"{' '.join(self.command)}: {self.stderr}{self.stdout}"
        return self

    def refused(self) -> str:
        """Return the error output of a command that must have failed."""
        assert self.exit_code != 0, f"{' '.join(self.command)} succeeded: {self.stdout}"
        return self.stderr


def run(
    program: Path,
    options: Sequence[str],
    arguments: Sequence[str | Path],
    *,
    stdin: str,
    timeout_s: float,
    env: Mapping[str, str],
) -> Result:
    """Run one command.

    Args:
        program: the program's path.
        options: options of the test's own, such as the kubeconfig.
        arguments: the user's arguments.
        stdin: the input.
        timeout_s: seconds after which the command hangs, and the test fails.
        env: variables besides those of the test, without its ``KUBECONFIG``.
    """
    given = tuple(str(argument) for argument in arguments)
    inherited = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
    done = subprocess.run(
        [program, *options, *given],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=timeout_s,
        check=False,
        env={**inherited, **env},
    )
    return Result((program.name, *given), done.returncode, done.stdout, done.stderr)
