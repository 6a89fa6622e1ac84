"""``python -m devstack.environment``: make the checkout's Python environment from the lock file.

The module runs before there is an environment, so it imports only the standard library. The lock
file is complete: nothing is resolved, so that later releases in an index change nothing. pip prints
little while it works, so there is a progress line.
"""

import argparse
import os
import re
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from devcluster.checkout import CHECKOUT
from devcluster.errors import ClusterError
from devcluster.progress import Progress, say

LOCK: Final = CHECKOUT / "requirements.lock"
PINNED: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*==", re.MULTILINE)
TAKEN: Final = re.compile(r"^(Collecting|Requirement already satisfied:) ")
"""The beginning of pip's first line on each package."""
UNPACKING: Final = re.compile(r"^(Installing collected packages|Building|Preparing)")
TAIL_LINES: Final = 20
CONFIGURATION: Final = "pyvenv.cfg"
"""A file of every environment; a directory without it must not be emptied."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Create or update the environment; return the program's exit status."""
    parser = argparse.ArgumentParser(prog="python -m devstack.environment", description=__doc__)
    parser.add_argument("directory", type=Path, help="of the environment")
    parser.add_argument(
        "--again", action="store_true", help="from nothing: it is another checkout's, or broken"
    )
    options = parser.parse_args(arguments)
    try:
        make(options.directory.absolute(), again=options.again)
    except ClusterError as error:
        say(f"environment: {error}")
        return 1
    except KeyboardInterrupt:
        say("environment: interrupted; the next `make` goes on")
        return 130
    return 0


def make(directory: Path, *, again: bool) -> None:
    """Create the environment in ``directory``.

    Args:
        directory: the environment's place.
        again: True to empty the directory first.

    Raises:
        ClusterError: the directory has other content, or pip fails; the message shows pip's output.
    """
    if directory.is_symlink():  # the link is to another checkout's environment, which stays
        directory.unlink()
    if again and directory.exists() and not (directory / CONFIGURATION).exists():
        raise ClusterError(f"{directory} is not a Python environment; remove or rename it")
    python = directory / "bin" / "python"
    log = directory / "install.log"
    total = len(PINNED.findall(LOCK.read_text(encoding="utf-8")))
    with Progress(f"installing the Python environment into {directory.name}") as progress:
        _create(directory, clear=again)
        log.unlink(missing_ok=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input"]
        install = [*pip, "install", "--progress-bar=off", "--no-deps"]
        locked = [*install, "--require-hashes", "-r", str(LOCK)]
        _run(locked, log, _count(progress, total))
        _run([*install, "--no-build-isolation", "-e", str(CHECKOUT)], log, lambda _: None)
        _run([*pip, "check"], log, lambda _: None)


def _create(directory: Path, *, clear: bool) -> None:
    try:
        venv.EnvBuilder(clear=clear, symlinks=True, with_pip=True).create(directory)
    except subprocess.CalledProcessError as error:
        said = str(error.output or error).strip().splitlines()[-1]
        raise ClusterError(
            f"{sys.executable} can't make an environment: {said}; on Debian, install the package"
            f" python3-venv"
        ) from error


def _count(progress: Progress, total: int) -> Callable[[str], None]:
    taken = 0

    def note(line: str) -> None:
        nonlocal taken
        if TAKEN.match(line):
            taken += 1
            progress.update(f"package {taken} of {total}")
        elif UNPACKING.match(line):
            progress.update(f"unpacking {taken} packages")

    return note


def _run(command: Sequence[str], log: Path, note: Callable[[str], None]) -> None:
    """Run pip, keep its output in ``log``, and call ``note`` with each line."""
    lines: list[str] = []
    with (
        log.open("a", encoding="utf-8") as file,
        subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        for line in process.stdout or ():
            file.write(line)
            lines.append(line.rstrip())
            note(line)
    if process.returncode:
        tail = "\n".join(f"    {line}" for line in lines[-TAIL_LINES:])
        raise ClusterError(f"pip {command[5]} failed; the end of {log}:\n{tail}")


if __name__ == "__main__":
    sys.exit(main())
