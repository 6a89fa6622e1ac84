"""Building the programs with Go, from modules that pin what they are made of.

For machines that reach a Go module proxy and not upstream's releases. go.sum and Go's
checksum database vouch for the sources.
"""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Final

from devcluster.errors import BuildError
from devcluster.progress import Progress
from devcluster.releases import Program

MODULES: Final = Path(__file__).parent / "modules"
SELF_UPDATING: Final = (1, 21)
"""Since this version, Go fetches the version that a go.mod asks for."""
POLL_S: Final = 0.2
INTERRUPT_S: Final = 5.0
"""Time for ``go`` to remove its work directory after an interrupt."""
TAIL_LINES: Final = 15


class GoBuilder:
    """Builds a program of ``modules/<release>`` for one platform.

    Args:
        platform: such as ``linux-amd64``.
        modules: where the Go modules are.
    """

    title: Final = "build"

    def __init__(self, platform: str, modules: Path = MODULES) -> None:
        self._os, _, self._arch = platform.partition("-")
        self._modules = modules

    def get(self, program: Program, target: Path) -> None:
        """Build the program as ``target``.

        Raises:
            BuildError: Go is missing or too old, or the build failed.
        """
        module = self._modules / program.release.name
        version = _check_go(module)
        what = f"{program.name} {program.release.version} with {version}"
        label = f"building {what} (minutes, the first time)"
        command = [
            *("go", "build", "-trimpath", "-mod=readonly", "-buildvcs=false"),
            *(f"-ldflags={program.release.ldflags}", f"-tags={program.release.tags}"),
            *("-o", str(target), program.package),
        ]
        environment = os.environ | {
            "CGO_ENABLED": "1" if program.release.cgo else "0",
            "GOOS": self._os,
            "GOARCH": self._arch,
            "GOWORK": "off",
        }
        log = target.with_name(target.name + ".log")
        try:
            with Progress(label) as progress:
                code = _run(command, module, environment, log, progress)
            if code:
                lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
                tail = "\n".join(f"    {line}" for line in lines[-TAIL_LINES:])
                raise BuildError(f"building {what} failed:\n{tail}")
        finally:
            log.unlink(missing_ok=True)


def _check_go(module: Path) -> str:
    """Return the version of Go that is installed, if it can build ``module``."""
    mod_file = (module / "go.mod").read_text(encoding="utf-8")
    found = re.search(r"^go (\S+)", mod_file, re.MULTILINE)
    needed = found[1] if found else "1.0"
    go = shutil.which("go")
    if go is None:
        raise BuildError(f"there is no `go` on PATH; install Go {needed} or newer")
    asked = subprocess.run(
        [go, "env", "GOVERSION"],
        cwd="/",  # in the module's directory, Go might fetch another version first
        env=os.environ | {"GOTOOLCHAIN": "local"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    version = asked.stdout.strip()
    numbers = _numbers(version)
    if asked.returncode or (numbers < SELF_UPDATING and numbers < _numbers(needed)):
        raise BuildError(
            f"{go} is {version or asked.stderr.strip() or 'broken'}; install Go {needed} or newer"
        )
    return version


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


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
        while True:
            try:
                return process.wait(timeout=POLL_S)
            except subprocess.TimeoutExpired:
                progress.update("compiling")
    finally:
        if process.returncode is None:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(timeout=INTERRUPT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
