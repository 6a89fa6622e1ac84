"""The Python packages of an image: dependencies, by the lock file, and Wegent's wheel.

Both ways to build use them, the Dockerfile's first stage and the build without an engine, so that
the images have the same content. Files that depend on the time and place of installation are left
out.
"""

import csv
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from devcluster.errors import BuildError
from imagebuild.images import PYTHON, ROOT, Image

MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}
PLATFORM: Final = "{machine}-manylinux_2_28"
"""A version older than the C library of both bases."""
TRACES: Final = ("direct_url.json", "uv_cache.json", "INSTALLER", "REQUESTED")
"""Files with notes of installers about themselves."""
UNUSED: Final = ("*.pyi", "*.pxd", "*.pyx", "*.c", "*.h")
"""Files that only compilers and editors read."""


def install_locked(image: Image, architecture: str, target: Path) -> None:
    """Install the packages of the image's lock file into ``target``.

    Raises:
        BuildError: a package can't be fetched, or differs from the lock file.
    """
    platform = PLATFORM.format(machine=MACHINES[architecture])
    _uv(
        *("pip", "install", "--quiet", "--target", str(target), "--link-mode", "copy"),
        *("--python", sys.executable),  # otherwise the activated environment's
        *("--python-version", PYTHON, "--python-platform", platform, "--only-binary", ":all:"),
        *("--no-deps", "--require-hashes", "--requirements", str(image.lock)),
    )
    clean(target)


def install_ours(image: Image, target: Path, work: Path) -> None:
    """Install the checkout's wheel, without the other program.

    Raises:
        BuildError: it can't be built.
    """
    _uv(
        *("build", "--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable),
        *("--out-dir", str(work), str(ROOT)),
    )
    wheel = next(work.glob("*.whl"))
    _uv(
        *("pip", "install", "--quiet", "--target", str(target), "--link-mode", "copy"),
        *("--python", sys.executable, "--python-version", PYTHON, "--no-deps", str(wheel)),
    )
    for package in ("wegent_operator", "wegent_api"):
        if package != image.module:
            shutil.rmtree(target / package)
    clean(target)


def clean(target: Path) -> None:
    """Remove files that are not run, and files that show place and time of installation."""
    shutil.rmtree(target / "bin", ignore_errors=True)
    (target / ".lock").unlink(missing_ok=True)
    for pattern in UNUSED:
        for path in target.rglob(pattern):
            path.unlink()
    for cache in list(target.rglob("__pycache__")):
        shutil.rmtree(cache)
    for info in target.glob("*.dist-info"):
        for name in TRACES:
            (info / name).unlink(missing_ok=True)
        _rewrite_record(target, info / "RECORD")


def _rewrite_record(target: Path, record: Path) -> None:
    """Remove the entries of removed files from RECORD."""
    rows = csv.reader(record.read_text(encoding="utf-8").splitlines())
    kept = io.StringIO()
    writer = csv.writer(kept, lineterminator="\n")
    writer.writerows(sorted(row for row in rows if row and (target / row[0]).is_file()))
    record.write_text(kept.getvalue(), encoding="utf-8")


def _uv(*arguments: str) -> None:
    uv = Path(sys.executable).with_name("uv")
    # The variable sets the times in the wheel.
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "315532800"}
    done = subprocess.run(
        [uv, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise BuildError(f"uv {' '.join(arguments[:2])}: {done.stderr.strip()}")
