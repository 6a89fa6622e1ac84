"""The archives that ``make image`` made last: their content, and nothing of the machine."""

import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from devcluster.kind import engine_answers
from imagebuild.images import IMAGES
from tests.e2e.conftest import ARCHIVES

PREFIX = "org.opencontainers.image."


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive in the format of ``docker save``: files by layer, the lowest layer first."""

    config: dict[str, Any]
    layers: list[dict[str, tarfile.TarInfo]]
    texts: dict[str, str]
    """Contents of files in ``/etc``, as containers see them."""

    @classmethod
    def read(cls, path: Path) -> "Archive":
        layers, texts = [], {}
        with tarfile.open(path) as archive:

            def content(name: str) -> bytes:
                file = archive.extractfile(name)
                assert file is not None
                return file.read()

            [manifest] = json.loads(content("manifest.json"))
            for layer in manifest["Layers"]:
                with tarfile.open(fileobj=io.BytesIO(content(layer))) as files:
                    layers.append({it.name: it for it in files})
                    for name, info in layers[-1].items():
                        if name.startswith("etc/") and info.isreg():
                            file = files.extractfile(info)
                            assert file is not None
                            texts[name] = file.read().decode(errors="replace")
            return cls(json.loads(content(manifest["Config"])), layers, texts)


@pytest.fixture(scope="module", params=IMAGES.values())
def archive(request: pytest.FixtureRequest) -> Archive:
    [path, *_] = sorted(ARCHIVES.glob(f"{request.param}-*.tar"))
    return Archive.read(path)


def test_labels_and_time_are_the_commits(archive: Archive) -> None:
    labels = archive.config["config"]["Labels"]
    for name in ("title", "description", "version", "revision", "created", "licenses"):
        assert labels[f"{PREFIX}{name}"]
    if not engine_answers():
        assert archive.config["created"] == labels[f"{PREFIX}created"]
        assert {it.mtime for layer in archive.layers for it in layer.values()} == {0}


def test_nothing_of_this_machine_is_in_it(archive: Archive) -> None:
    assert not archive.texts.get("etc/hostname")
    assert not archive.texts.get("etc/resolv.conf")
    settings = {name for name in archive.texts if name.startswith(("etc/apt/apt.conf", "etc/pip"))}
    assert not {name for name in settings if archive.texts[name] and "apt.conf.d" not in name}
    assert "etc/apt/apt.conf.d/99mmdebstrap" not in settings
    # Debian's certificate authorities, and none of this machine's.
    names = {name for layer in archive.layers for name in layer}
    debians = [it for it in names if it.startswith("usr/share/ca-certificates/mozilla/")]
    bundle = archive.texts["etc/ssl/certs/ca-certificates.crt"]
    assert bundle.count("BEGIN CERTIFICATE") == len([it for it in debians if it.endswith(".crt")])
    assert not [it for it in names if it.startswith("run/secrets")]
