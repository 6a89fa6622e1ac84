"""Building the programs with Go, from modules that pin what they are made of.

For machines that reach a Go module proxy and not upstream's releases. go.sum and Go's
checksum database vouch for the sources.
"""

import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

from devcluster.errors import BuildError
from devcluster.progress import Progress
from devcluster.releases import Program

POLL_S: Final = 0.2
INTERRUPT_S: Final = 5.0
"""Time for ``go`` to remove its work directory after an interrupt."""
TAIL_LINES: Final = 15


class GoBuilder:
    """Builds a program of its release's Go module for one platform.

    Args:
        platform: such as ``linux-amd64``.
    """

    title: Final = "build"

    def __init__(self, platform: str) -> None:
        self._os, _, self._arch = platform.partition("-")

    def get(self, program: Program, target: Path) -> None:
        """Build the program as ``target``.

        Raises:
            BuildError: Go is missing or too old, or the build failed.
        """
        release = program.release
        module = release.module
        needed = re.search(r"^go (\S+)", (module / "go.mod").read_text("utf-8"), re.MULTILINE)
        go = f"Go {needed[1] if needed else ''} or newer (older ones fetch it from 1.21 on)"
        what = f"{program.name} {release.version}"
        environment = os.environ | {
            "CGO_ENABLED": "1" if release.cgo else "0",
            "GOOS": self._os,
            "GOARCH": self._arch,
            "GOWORK": "off",
        }
        log = target.with_name(target.name + ".log")
        try:
            with Progress(f"building {what} with Go (minutes, the first time)") as progress:
                code = _run(_command(program, target), module, environment, log, progress)
            if code:
                lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
                tail = "\n".join(f"    {line}" for line in lines[-TAIL_LINES:])
                raise BuildError(f"building {what} failed; it takes {go}:\n{tail}")
        except FileNotFoundError as error:
            raise BuildError(f"there is no `go` on PATH; install {go}") from error
        finally:
            log.unlink(missing_ok=True)


def _command(program: Program, target: Path) -> list[str]:
    release = program.release
    return [
        *("go", "build", "-trimpath", "-mod=readonly", "-buildvcs=false"),
        *(f"-ldflags={release.ldflags}", f"-tags={release.tags}"),
        *("-o", str(target), program.package),
    ]


def _run(
    command: list[str], directory: Path, environment: dict[str, str], log: Path, progress: Progress
) -> int:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # its compilers are ended with it
        )
    try:
        while process.poll() is None:
            progress.update("compiling")
            time.sleep(POLL_S)
    finally:
        if process.returncode is None:  # interrupted
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(INTERRUPT_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return process.returncode
