"""A Debian root file system with Python, without installers and compilers, by debootstrap."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from devcluster.errors import BuildError
from devcluster.locks import locked
from devcluster.progress import Progress
from imagebuild.images import SUITE

PACKAGES: Final = ("ca-certificates", "python-is-python3", "python3", "tzdata")
REMOVED: Final = (
    "var/cache",
    "var/lib/apt/lists",
    "var/log",
    "usr/share/doc",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/lintian",
    "etc/machine-id",
    "etc/hostname",
    "etc/resolv.conf",
    "var/lib/dbus",
    "etc/ssl/certs/java",
)
"""Files that nothing reads there, and files that differ from run to run."""


def ensure(cache: Path, *, architecture: str, refresh: bool) -> Path:
    """Return the root file system for this machine's architecture, built if there is none.

    Args:
        cache: the directory that keeps it, for all checkouts.
        architecture: of this machine.
        refresh: True to build it again, with Debian's updates.

    Raises:
        BuildError: debootstrap is missing or failed, or the user is not root.
    """
    name = "-".join(("debian", SUITE, architecture, *PACKAGES))
    root = cache / name
    with locked(cache / f"{name}.lock", "it makes a Debian root file system"):
        if root.exists() and not refresh:
            return root
        _check()
        part = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=cache))
        try:
            _bootstrap(part)
            _strip(part)
            shutil.rmtree(root, ignore_errors=True)
            part.rename(root)
            root.chmod(0o755)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return root


def compile_all(root: Path, directory: Path, prefix: str) -> None:
    """Compile the Python files in ``directory`` with the root's Python, as if at ``prefix``.

    Python doesn't check the compiled files against their source, as an image's files don't change.

    Raises:
        BuildError: a file isn't valid in this version of Python.
    """
    with tempfile.TemporaryDirectory(prefix="work-", dir=root / "tmp") as work:
        inside = Path(work) / "packages"
        shutil.move(directory, inside)
        try:
            seen = f"/{inside.relative_to(root)}"
            command = ["chroot", str(root), "python3", "-m", "compileall", "-q"]
            command += ["--invalidation-mode", "unchecked-hash", "-s", seen, "-p", prefix, seen]
            environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONHASHSEED": "0"}
            _run(command, environment)
        finally:
            shutil.move(inside, directory)


def _check() -> None:
    if os.geteuid() != 0:
        raise BuildError(
            "an image without Docker is made from a Debian root file system, which takes root;"
            " run as root, or install Docker"
        )
    if shutil.which("debootstrap") is None:
        raise BuildError("there is no `debootstrap` on PATH; install the package of that name")


def _bootstrap(target: Path) -> None:
    with Progress(f"making a Debian {SUITE} root file system (a minute, the first time)"):
        packages = ",".join(PACKAGES)
        _run(["debootstrap", "--variant=minbase", f"--include={packages}", SUITE, str(target)])


def _strip(root: Path) -> None:
    for name in REMOVED:
        path = root / name
        if path.is_dir():
            shutil.rmtree(path)
            path.mkdir()
        else:
            path.unlink(missing_ok=True)
    for left in (root / "var/lib/dpkg").glob("*-old"):
        left.unlink()
    # The files are compiled again, so that they don't depend on the time of unpacking.
    library = root / "usr/lib/python3"
    for cache in (root / "usr/lib").glob("python3*/**/__pycache__"):
        shutil.rmtree(cache)
    directories = [f"/usr/lib/{path.name}" for path in library.parent.glob("python3*")]
    command = ["chroot", str(root), "python3", "-m", "compileall", "-q"]
    command += ["--invalidation-mode", "unchecked-hash", *directories]
    with contextlib.suppress(BuildError):  # the library's test data, which isn't valid Python
        _run(command, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONHASHSEED": "0"})


def files(root: Path) -> Iterator[Path]:
    """Yield all paths in ``root`` in a fixed order, except for the kernel's mounts."""
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if relative.parts[0] in {"dev", "proc", "sys", "run", "tmp"} and len(relative.parts) > 1:
            continue
        yield path


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        raise BuildError(f"{command[0]} failed:\n{tail}")
