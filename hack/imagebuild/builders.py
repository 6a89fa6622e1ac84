"""Builds of the Dockerfile's targets, with Docker or with buildah."""

import re
from pathlib import Path
from typing import Final

from devcluster.checkout import CHECKOUT
from devcluster.errors import BuildError
from devcluster.image_tools import run_tool
from imagebuild.base import ensure_base
from imagebuild.release import Release
from imagebuild.settings import APT_CONFIG, write_secrets

BY_DIGEST: Final = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")


class DockerBuilder:
    """Builds with a Docker engine, which keeps the images too.

    Args:
        release: the state of the checkout, for labels.
        work: a temporary directory.
        base: image to build on, by digest; None for the Dockerfile's.
        refresh: True to look for a newer base.

    Raises:
        BuildError: ``base`` has no digest.
    """

    program = "docker"

    def __init__(self, release: Release, work: Path, *, base: str | None, refresh: bool) -> None:
        if base is not None and not BY_DIGEST.fullmatch(base):
            raise BuildError(f"--base: {base} has no digest; write NAME@sha256:...")
        self._release, self._work = release, work
        self._options = [*write_secrets(work), f"--build-arg=SOURCE_DATE_EPOCH={release.created}"]
        self._options += [f"--build-arg=BASE={base}"] if base else []
        self._options += ["--pull"] if refresh else []
        self._labels = [f"--label={key}={value}" for key, value in release.labels.items()]

    def build_image(self, target: str, name: str) -> None:
        """Build an image from a target of the Dockerfile.

        Raises:
            BuildError: the build fails.
        """
        self._build(f"--target={target}", f"--tag={name}", *self._labels)

    def save(self, name: str, archive: Path) -> None:
        """Write an image as an archive that ``docker load`` reads.

        Raises:
            BuildError: there is no such image.
        """
        self._run("save", "--output", str(archive), name)

    def export(self, target: str, directory: Path) -> None:
        """Write the files of a target of the Dockerfile into ``directory``.

        Raises:
            BuildError: the build fails.
        """
        self._build(f"--target={target}", f"--output=type=local,dest={directory}")

    def _build(self, *options: str) -> None:
        self._run("build", *self._options, *options, str(CHECKOUT))

    def _run(self, *arguments: str) -> str:
        return run_tool(self.program, *arguments)


class BuildahBuilder(DockerBuilder):
    """Builds with buildah, which keeps the images in its store, as podman does.

    Without ``base``, mmdebstrap makes one from Debian's packages: no registry is needed.
    """

    program = "buildah"

    def __init__(self, release: Release, work: Path, *, base: str | None, refresh: bool) -> None:
        super().__init__(release, work, base=base, refresh=refresh and base is not None)
        # Processes of a build are in this machine's network, and need no rights of containers.
        self._options += ["--isolation=chroot", "--layers"]
        if base is None:
            own = ensure_base(work / APT_CONFIG, refresh=refresh)
            self._options.append(f"--build-arg=BASE={own}")

    def build_image(self, target: str, name: str) -> None:
        """Build an image from a target of the Dockerfile; all files in it are dated 1970.

        Raises:
            BuildError: the build fails.
        """
        self._build(f"--target={target}", f"--tag={name}", "--timestamp=0")
        # On top of it, as buildah gives labels to the last target of a Dockerfile alone.
        context = self._work / "labels"
        context.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text(f"FROM {name}\n", encoding="utf-8")
        time = f"--timestamp={self._release.created}"
        self._run("build", "--layers", f"--tag={name}", time, *self._labels, str(context))

    def save(self, name: str, archive: Path) -> None:
        """Write an image as an archive that ``docker load`` reads.

        Raises:
            BuildError: there is no such image.
        """
        archive.unlink(missing_ok=True)
        self._run("push", "--quiet", name, f"docker-archive:{archive}:{name}")

    def export(self, target: str, directory: Path) -> None:
        """Write the files of a target of the Dockerfile into ``directory``.

        Raises:
            BuildError: the build fails.
        """
        self._build(f"--target={target}", "--timestamp=0", f"--output=type=local,dest={directory}")
