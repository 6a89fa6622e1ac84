"""Builds of the images with Docker, from the Dockerfile."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from devcluster.errors import BuildError
from devcluster.kind import engine_answers
from imagebuild.images import PREFIX, ROOT, SBOM, Image
from imagebuild.release import Release

BY_DIGEST: Final = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")


def answering() -> str | None:
    """Return the ``docker`` program if its engine answers."""
    return shutil.which("docker") if engine_answers() else None


class DockerBuild:
    """Builds the images in a container engine, and archives of them.

    Args:
        docker: the program.
        refresh: True to look for a newer base.
        base: image to build on, by digest; None for the Dockerfile's.

    Raises:
        BuildError: ``base`` has no digest.
    """

    def __init__(self, docker: str, *, refresh: bool, base: str | None = None) -> None:
        if base is not None and not BY_DIGEST.fullmatch(base):
            raise BuildError(f"--base: {base} has no digest; write NAME@sha256:...")
        self._docker = docker
        self._refresh = refresh
        self._base = base

    def build(self, image: Image, release: Release, name: str, target: Path) -> bytes:
        """Build the image ``name``, write it to ``target``, and return its bill of materials.

        Raises:
            BuildError: Docker fails.
        """
        labels = [f"--label={key}={value}" for key, value in release.labels(image).items()]
        created = f"--build-arg=SOURCE_DATE_EPOCH={int(release.created.timestamp())}"
        pull = ["--pull"] if self._refresh else []
        base = [f"--build-arg=BASE={self._base}"] if self._base else []
        options = [created, *base, *labels, *pull]
        command = ["build", "--target", image.program, "--tag", name, *options]
        self._run(*command, str(ROOT))
        self._run("save", "--output", str(target), name)
        container = self._run("create", name).strip()
        try:
            bill = target.with_suffix(".sbom")
            self._run("cp", f"{container}:{PREFIX}/{SBOM}", str(bill))
            content = bill.read_bytes()
            bill.unlink()
        finally:
            self._run("rm", container)
        return content

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [self._docker, *arguments], stdout=subprocess.PIPE, encoding="utf-8", check=False
        )
        if done.returncode:
            raise BuildError(f"docker {arguments[0]} failed; it says why above")
        return done.stdout
