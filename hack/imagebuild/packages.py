"""The Python packages of an image: what others wrote, by the lock file, and our wheel.

Used on both ways to an image, in the Dockerfile's first stage and without an engine, so
that they hold the same. What depends on when and where it was installed is left out.
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
"""Older than the C library of both bases."""
TRACES: Final = ("direct_url.json", "uv_cache.json", "INSTALLER", "REQUESTED")
"""What installers note about themselves."""
UNUSED: Final = ("*.pyi", "*.pxd", "*.pyx", "*.c", "*.h")
"""What only compilers and editors read."""


def install_locked(image: Image, architecture: str, target: Path) -> None:
    """Install all that the image's lock file names into ``target``.

    Raises:
        BuildError: something of it can't be had, or isn't what the lock file says.
    """
    platform = PLATFORM.format(machine=MACHINES[architecture])
    _uv(
        *("pip", "install", "--quiet", "--target", str(target), "--link-mode", "copy"),
        *("--python", sys.executable),  # else that of whatever environment is activated
        *("--python-version", PYTHON, "--python-platform", platform, "--only-binary", ":all:"),
        *("--no-deps", "--require-hashes", "--requirements", str(image.lock)),
    )
    clean(target)


def install_ours(image: Image, target: Path, work: Path) -> None:
    """Install the checkout's own wheel, without the other program.

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
    """Remove what is not run, and what tells where and when it was installed."""
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
    """Leave out of RECORD what is no longer there."""
    rows = csv.reader(record.read_text(encoding="utf-8").splitlines())
    kept = io.StringIO()
    writer = csv.writer(kept, lineterminator="\n")
    writer.writerows(sorted(row for row in rows if row and (target / row[0]).is_file()))
    record.write_text(kept.getvalue(), encoding="utf-8")


def _uv(*arguments: str) -> None:
    uv = Path(sys.executable).with_name("uv")
    # The wheel's own times come from it.
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
