"""Writes an image as an OCI archive: the layout of the OCI image specification, in a tar.

The layout is JSON and content addresses, so that no tool is needed for it. ``ctr images import``,
``kind load image-archive``, ``skopeo``, ``podman load`` and Docker from 25 on read it; the
same content gives the same bytes.
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from devcluster.locks import locked

COMPRESSION: Final = 6
CHUNK: Final = 1 << 20
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
INDEX: Final = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True, slots=True)
class Layer:
    """A compressed layer."""

    path: Path
    digest: str
    """The digest of the compressed bytes, ``sha256:...``."""
    diff_id: str
    """The digest of the tar inside."""
    created_by: str
    """The text in ``docker history``."""

    @property
    def size(self) -> int:
        """The compressed size in bytes."""
        return self.path.stat().st_size


def entry(name: str, *, mode: int, epoch: int, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    """Return a tar header that depends only on its arguments; the owner is root."""
    header = tarfile.TarInfo(name)
    header.type, header.mode, header.mtime = kind, mode, epoch
    header.uname = header.gname = "root"
    return header


def file_layer(files: Mapping[str, bytes], *, mode: int, epoch: int) -> bytes:
    """Return the tar of a layer with only these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in sorted(files.items()):
            header = entry(name, mode=mode, epoch=epoch)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return buffer.getvalue()


def compress(tar: BinaryIO, target: Path, created_by: str) -> Layer:
    """Write a layer from an uncompressed tar; the same tar gives the same layer."""
    inner, outer = hashlib.sha256(), hashlib.sha256()
    part = target.with_name(target.name + ".part")
    with part.open("wb") as raw, gzip.GzipFile("", "wb", COMPRESSION, raw, mtime=0) as packed:
        while chunk := tar.read(CHUNK):
            inner.update(chunk)
            packed.write(chunk)
    with part.open("rb") as written:
        while chunk := written.read(CHUNK):
            outer.update(chunk)
    part.replace(target)
    return Layer(target, f"sha256:{outer.hexdigest()}", f"sha256:{inner.hexdigest()}", created_by)


def cached_layer(cache: Path, key: str, created_by: str) -> Layer | None:
    """Return the cached layer for ``key``, if there is one."""
    path, record = cache / f"{key}.tgz", cache / f"{key}.json"
    try:
        known = json.loads(record.read_text(encoding="utf-8"))
        layer = Layer(path, known["digest"], known["diff_id"], created_by)
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return layer if path.exists() else None


def keep_layer(cache: Path, key: str, tar: BinaryIO, created_by: str) -> Layer:
    """Compress a layer into the cache, under ``key``."""
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / ".lock", "it compresses a layer"):
        layer = compress(tar, cache / f"{key}.tgz", created_by)
        record = {"digest": layer.digest, "diff_id": layer.diff_id}
        (cache / f"{key}.json").write_text(json.dumps(record), encoding="utf-8")
    return layer


def write_archive(  # an image consists of these
    target: Path,
    *,
    name: str,
    architecture: str,
    config: Mapping[str, Any],
    layers: Sequence[Layer],
    epoch: int,
    created: str,
) -> str:
    """Write an image of one platform, and return its manifest's digest.

    Args:
        target: of the archive.
        name: with its tag, such as ``registry.example/wegent:1.0``.
        architecture: as Go spells it.
        config: ``User``, ``Env``, ``Entrypoint``, ``Labels`` and so on.
        layers: the lowest first.
        epoch: the time of every file in the archive.
        created: the image's own time, RFC 3339.
    """
    document = {
        "created": created,
        "architecture": architecture,
        "os": "linux",
        "config": dict(config),
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created": created, "created_by": layer.created_by} for layer in layers],
    }
    content = _json(document)
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor(CONFIG, content),
            "layers": [
                {"mediaType": LAYER, "digest": layer.digest, "size": layer.size} for layer in layers
            ],
            "annotations": {
                key: value
                for key, value in dict(config.get("Labels", {})).items()
                if key.startswith("org.opencontainers.image.")
            },
        }
    )
    # The specification defines the tag alone; containerd reads the whole name.
    tag = name.rpartition(":")[2]
    names = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": tag}
    platform = {"architecture": architecture, "os": "linux"}
    described = {**_descriptor(MANIFEST, manifest), "annotations": names, "platform": platform}
    index = _json({"schemaVersion": 2, "mediaType": INDEX, "manifests": [described]})
    part = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(part, "w") as tar:
        _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}), epoch)
        _add(tar, "index.json", index, epoch)
        for blob in (manifest, content):
            _add(tar, f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}", blob, epoch)
        for layer in _distinct(layers):
            header = entry(_blob(layer.digest), mode=0o644, epoch=epoch)
            header.size = layer.size
            with layer.path.open("rb") as file:
                tar.addfile(header, file)
    part.replace(target)
    return f"sha256:{hashlib.sha256(manifest).hexdigest()}"


def _distinct(layers: Iterable[Layer]) -> Iterable[Layer]:
    return {layer.digest: layer for layer in layers}.values()


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def _add(tar: tarfile.TarFile, name: str, content: bytes, epoch: int) -> None:
    header = entry(name, mode=0o644, epoch=epoch)
    header.size = len(content)
    tar.addfile(header, io.BytesIO(content))


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
