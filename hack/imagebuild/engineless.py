"""An image without a container engine, with layers for Debian, the dependencies, and Wegent.

The layers are cached by their inputs, and don't depend on the time of the build: a changed line of
Wegent's code costs one small layer.
"""

import hashlib
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Final

from devcluster.binaries import cache_root
from devcluster.platforms import platform_name
from devcluster.progress import Progress
from imagebuild import packages, rootfs, sbom
from imagebuild.images import ENVIRONMENT, PREFIX, ROOT, SBOM, USER, Image
from imagebuild.oci import Layer, cached_layer, entry, file_layer, keep_layer, write_archive
from imagebuild.release import Release

EPOCH: Final = 0
"""The time of all files in an image."""
SOURCES: Final = ("operator", "crds", "kube", "api_proxy")
MAKERS: Final = ("packages.py", "rootfs.py", "images.py", "engineless.py", "oci.py")
"""The modules whose change invalidates all layers."""
DPKG: Final = "var/lib/dpkg/status"


class EnginelessBuild:
    """Builds images for this machine's architecture, with one root file system for all.

    Args:
        refresh: True to take Debian's updates.
    """

    def __init__(self, *, refresh: bool) -> None:
        self._architecture = platform_name().partition("-")[2]
        self._cache = cache_root() / "image"
        self._cache.mkdir(parents=True, exist_ok=True)
        self._root = rootfs.ensure(self._cache, architecture=self._architecture, refresh=refresh)
        self._dpkg = (self._root / DPKG).read_bytes()
        makers = [Path(__file__).with_name(name).read_bytes() for name in MAKERS]
        self._base_key = _digest("base", self._dpkg, *makers)

    def build(self, image: Image, release: Release, name: str, target: Path) -> bytes:
        """Write the image as an OCI archive, and return its bill of materials."""
        others = self._others(image)
        ours_key = _digest("ours", self._base_key.encode(), image.program.encode(), *_sources())
        with tempfile.TemporaryDirectory(prefix=".ours-", dir=self._cache) as work:
            packed = Path(work) / "packages"
            packages.install_ours(image, packed, Path(work))
            rootfs.compile_all(self._root, packed, PREFIX)
            ours = self._layer(ours_key, lambda file: _pack(packed, file), "Wegent's packages")
            all_packages = Path(work) / "all"
            for directory in (others, packed):
                _link_metadata(directory, all_packages)
            bill = sbom.describe(
                name=image.repository,
                version=release.version,
                python=all_packages,
                dpkg=self._root / DPKG,
                created=release.created,
            )
        bill_layer = self._layer(
            _digest("sbom", bill),
            lambda file: file.write(
                file_layer({f"{PREFIX[1:]}/{SBOM}": bill}, mode=0o644, epoch=EPOCH)
            ),
            "the bill of materials",
        )
        layers = [
            self._layer(self._base_key, self._pack_root, "Debian"),
            self._layer(
                _digest("others", others.name.encode()),
                lambda file: _pack(others, file),
                "the locked packages",
            ),
            ours,
            bill_layer,
        ]
        write_archive(
            target,
            name=name,
            architecture=self._architecture,
            config={
                "User": USER,
                "Env": [f"{k}={v}" for k, v in {**ENVIRONMENT, **image.environment}.items()],
                "Entrypoint": image.entrypoint,
                "WorkingDir": "/",
                "ExposedPorts": {f"{image.port}/tcp": {}},
                "Labels": release.labels(image),
            },
            layers=layers,
            epoch=EPOCH,
            created=release.created_text,
        )
        return bill

    def _others(self, image: Image) -> Path:
        """Return the directory with the lock file's packages, compiled."""
        key = _digest("packages", self._base_key.encode(), image.lock.read_bytes())
        directory = self._cache / f"packages-{image.program}-{key[:16]}"
        if not directory.exists():
            with (
                Progress(f"installing the packages of {image.lock.name}"),
                tempfile.TemporaryDirectory(prefix=".others-", dir=self._cache) as work,
            ):
                part = Path(work) / "packages"
                packages.install_locked(image, self._architecture, part)
                rootfs.compile_all(self._root, part, PREFIX)
                part.rename(directory)
        return directory

    def _layer(self, key: str, pack: Callable[[IO[bytes]], object], created_by: str) -> Layer:
        found = cached_layer(self._cache, key, created_by)
        if found is not None:
            return found
        with tempfile.TemporaryFile(dir=self._cache) as file:
            pack(file)
            file.seek(0)
            return keep_layer(self._cache, key, file, created_by)

    def _pack_root(self, file: IO[bytes]) -> None:
        with tarfile.open(fileobj=file, mode="w") as tar:
            for path in rootfs.files(self._root):
                _add(tar, path, str(path.relative_to(self._root)), keep_owner=True)


def _pack(directory: Path, file: IO[bytes]) -> None:
    prefix = PREFIX[1:]
    with tarfile.open(fileobj=file, mode="w") as tar:
        parts = Path(prefix).parts
        for depth in range(len(parts)):
            name = "/".join(parts[: depth + 1])
            tar.addfile(entry(name, mode=0o755, epoch=EPOCH, kind=tarfile.DIRTYPE))
        for path in sorted(directory.rglob("*")):
            _add(tar, path, f"{prefix}/{path.relative_to(directory)}", keep_owner=False)


def _add(tar: tarfile.TarFile, path: Path, name: str, *, keep_owner: bool) -> None:
    header = tar.gettarinfo(path, name)
    header.mtime = EPOCH
    if not keep_owner:
        header.uid = header.gid = 0
        header.mode = 0o755 if header.isdir() else 0o644
    header.uname = header.gname = ""  # the names would be this machine's
    if header.isreg():
        with path.open("rb") as content:
            tar.addfile(header, content)
    else:
        tar.addfile(header)


def _link_metadata(directory: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for info in directory.glob("*.dist-info"):
        shutil.copytree(info, target / info.name)


def _sources() -> Iterable[bytes]:
    yield (ROOT / "pyproject.toml").read_bytes()
    for directory in SOURCES:
        for path in sorted((ROOT / directory).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                yield str(path.relative_to(ROOT)).encode()
                yield path.read_bytes()


def _digest(kind: str, *parts: bytes) -> str:
    digest = hashlib.sha256(kind.encode())
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:32]
