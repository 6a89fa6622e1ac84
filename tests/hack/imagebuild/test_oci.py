"""Archives follow the OCI image specification, and are equal for equal content."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from imagebuild.oci import cached_layer, compress, file_layer, keep_layer, write_archive

CONFIG = {
    "User": "65532:65532",
    "Entrypoint": ["/program"],
    "Labels": {"org.opencontainers.image.version": "1.0", "other": "x"},
}


def make(directory: Path, content: bytes = b"program") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    tar = file_layer({"program": content}, mode=0o755, epoch=0)
    layer = compress(io.BytesIO(tar), directory / "layer.tgz", "a test")
    target = directory / "image.tar"
    write_archive(
        target,
        name="localhost/program:1.0",
        architecture="arm64",
        config=CONFIG,
        layers=[layer],
        epoch=0,
        created="2026-01-01T00:00:00Z",
    )
    return target


class Archive:
    """An archive, read as the specification says."""

    def __init__(self, path: Path) -> None:
        with tarfile.open(path) as tar:
            self.files = {it.name: tar.extractfile(it).read() for it in tar}  # type: ignore[union-attr]

    def blob(self, descriptor: dict[str, Any]) -> bytes:
        algorithm, _, digest = descriptor["digest"].partition(":")
        content = self.files[f"blobs/{algorithm}/{digest}"]
        assert hashlib.sha256(content).hexdigest() == digest
        assert len(content) == descriptor["size"]
        return content


def test_everything_is_found_by_its_digest(tmp_path: Path) -> None:
    archive = Archive(make(tmp_path))
    assert json.loads(archive.files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    [described] = json.loads(archive.files["index.json"])["manifests"]
    assert described["annotations"] == {
        "io.containerd.image.name": "localhost/program:1.0",
        "org.opencontainers.image.ref.name": "1.0",
    }
    assert described["platform"] == {"architecture": "arm64", "os": "linux"}
    manifest = json.loads(archive.blob(described))
    assert manifest["annotations"] == {"org.opencontainers.image.version": "1.0"}
    config = json.loads(archive.blob(manifest["config"]))
    assert (config["architecture"], config["os"]) == ("arm64", "linux")
    assert config["config"] == CONFIG
    [layer] = manifest["layers"]
    tar = gzip.decompress(archive.blob(layer))
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(tar).hexdigest()}"]
    with tarfile.open(fileobj=io.BytesIO(tar)) as files:
        [program] = files
        assert (program.name, program.mode, program.uid, program.mtime) == ("program", 0o755, 0, 0)


def test_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = make(tmp_path / "one"), make(tmp_path / "two")
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes() != make(tmp_path / "three", b"other").read_bytes()


def test_layer_is_kept_by_its_key(tmp_path: Path) -> None:
    assert cached_layer(tmp_path, "key", "a test") is None
    kept = keep_layer(tmp_path, "key", io.BytesIO(b"tar"), "a test")
    assert cached_layer(tmp_path, "key", "a test") == kept
    kept.path.unlink()
    assert cached_layer(tmp_path, "key", "a test") is None


@pytest.mark.parametrize("broken", ["", "{", "[]"])
def test_damaged_record_is_no_layer(tmp_path: Path, broken: str) -> None:
    keep_layer(tmp_path, "key", io.BytesIO(b"tar"), "a test")
    (tmp_path / "key.json").write_text(broken, encoding="utf-8")
    assert cached_layer(tmp_path, "key", "a test") is None
