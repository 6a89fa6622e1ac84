"""The content of images: packages without traces of their place of installation, and the bill."""

import json
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from devcluster.errors import BuildError
from imagebuild import packages, rootfs, sbom
from imagebuild.engine import DockerBuild
from imagebuild.images import ENVIRONMENT, IMAGES, PREFIX, ROOT, SUITE, USER, Image
from imagebuild.release import Release

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PROGRAMS = list(IMAGES.values())
IDS = list(IMAGES)
STATUS = """\
Package: base-files
Status: install ok installed
Architecture: amd64
Version: 13.8

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0
"""


def stage(name: str) -> str:
    """Return the text of the Dockerfile's stage ``name``."""
    [found] = [
        it for it in DOCKERFILE.split("\nFROM ") if it.partition("\n")[0].endswith(f" AS {name}")
    ]
    return found


def locked(image: Image) -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+)==", image.lock.read_text(encoding="utf-8"), re.MULTILINE))


def test_both_ways_have_the_same_base() -> None:
    assert f"ARG BASE=debian:{SUITE}-slim\nFROM ${{BASE}} AS base\n" in DOCKERFILE
    assert " ".join(rootfs.PACKAGES) in stage("base")
    for key, value in ENVIRONMENT.items():
        if key != "PATH":  # the base image sets it
            assert f"{key}={value}" in stage("base")


@pytest.mark.parametrize("image", PROGRAMS, ids=IDS)
def test_both_ways_run_the_program_alike(image: Image) -> None:
    text = stage(image.program)
    assert f"COPY --from=build /out/{image.program} {PREFIX}\n" in text
    assert f"USER {USER}\n" in text
    assert f"EXPOSE {image.port}\n" in text
    assert f"ENTRYPOINT {json.dumps(image.entrypoint)}\n" in text
    for key, value in image.environment.items():
        assert f"ENV {key}={value}\n" in text
    assert f'image.title="{image.title}"' in text


def test_each_image_has_its_programs_packages_and_no_others() -> None:
    operator, api = locked(IMAGES["operator"]), locked(IMAGES["api"])
    assert "kopf" in operator - api
    assert {"fastapi", "uvicorn", "argon2-cffi"} <= api - operator
    assert "kubernetes" not in operator | api
    assert not {"pytest", "mypy", "cyclonedx-python-lib", "cryptography"} & (operator | api)


def test_installed_packages_say_nothing_of_this_machine(tmp_path: Path) -> None:
    target = tmp_path / "target"
    info = target / "one-1.0.dist-info"
    for path in ("bin/one", "one/code.py", "one/code.pyi", "one/__pycache__/code.pyc"):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text(f"#!{tmp_path}", encoding="utf-8")
    info.mkdir()
    (info / "direct_url.json").write_text(str(tmp_path), encoding="utf-8")
    record = "one/code.py,,\nbin/one,,\none/code.pyi,,\none-1.0.dist-info/direct_url.json,,\n"
    (info / "RECORD").write_text(record, encoding="utf-8")
    packages.clean(target)
    left = sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
    assert left == ["one-1.0.dist-info/RECORD", "one/code.py"]
    assert (info / "RECORD").read_text(encoding="utf-8") == "one/code.py,,\n"


def describe(directory: Path) -> bytes:
    info = directory / "python" / "One_Two-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    metadata = "Name: One_Two\nVersion: 1.0\nSummary: Both\nLicense-Expression: MIT\n"
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\n{metadata}", encoding="utf-8")
    (info / "RECORD").write_text("one.py,sha256=x,1\n", encoding="utf-8")
    (directory / "status").write_text(STATUS, encoding="utf-8")
    return sbom.describe(
        name="wegent-test",
        version="1.0",
        python=directory / "python",
        dpkg=directory / "status",
        created=datetime(2026, 1, 1, tzinfo=UTC),
    )


def test_bill_names_pythons_and_debians_packages(tmp_path: Path) -> None:
    bill = json.loads(describe(tmp_path))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["name"] == "wegent-test"
    assert sorted(it["purl"] for it in bill["components"]) == [
        "pkg:deb/debian/base-files@13.8?arch=amd64",
        "pkg:pypi/one-two@1.0",
    ]
    [python] = [it for it in bill["components"] if it["purl"].startswith("pkg:pypi")]
    assert python["licenses"] == [{"expression": "MIT"}]


def test_bill_is_the_same_for_the_same_content(tmp_path: Path) -> None:
    assert describe(tmp_path / "one") == describe(tmp_path / "two")


def test_labels_say_what_it_is_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    labels = Release.of_the_checkout().labels(IMAGES["api"])
    prefix = "org.opencontainers.image."
    assert labels[f"{prefix}created"] == "1970-01-02T00:00:00Z"
    assert labels[f"{prefix}version"] == "0.1.0"
    assert labels[f"{prefix}licenses"] == "Apache-2.0"
    head = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "HEAD"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    ).stdout.strip()
    if head:
        assert labels[f"{prefix}revision"].startswith(head)


def test_a_base_is_named_by_digest(tmp_path: Path) -> None:
    said = tmp_path / "said"
    docker = tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\necho "$@" >> {said}\nexit 1\n', encoding="utf-8")
    docker.chmod(0o755)
    base = "debian:trixie-slim@sha256:" + "0" * 64
    build = DockerBuild(str(docker), refresh=False, base=base)
    with pytest.raises(BuildError, match="docker build failed"):
        build.build(IMAGES["api"], Release.of_the_checkout(), "api:test", tmp_path / "api.tar")
    assert f"--build-arg=BASE={base} " in said.read_text(encoding="utf-8")
    for wrong in ("debian:trixie-slim", "debian@sha256:abc", "@sha256:" + "0" * 64):
        with pytest.raises(BuildError, match="has no digest"):
            DockerBuild(str(docker), refresh=False, base=wrong)
