"""Builds with stand-ins for docker, buildah and mmdebstrap, which write down their arguments."""

import configparser
from pathlib import Path

import pytest

from devcluster.checkout import CHECKOUT
from devcluster.errors import BuildError
from imagebuild.base import ensure_base
from imagebuild.builders import BuildahBuilder, DockerBuilder
from imagebuild.release import Release
from imagebuild.settings import apt_settings, pip_settings, write_secrets

RELEASE = Release("1.0", "abc", 86400)
DIGEST = "debian:trixie-slim@sha256:" + "0" * 64


class Programs:
    """Stand-ins in a directory that alone is on PATH."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._said = directory / "said"

    def add(self, *names: str, script: str = "") -> None:
        for name in names:
            path = self.directory / name
            say = f'echo "{name} $@" >> {self._said}'
            path.write_text(f"#!/bin/sh\n{say}\n{script}\n", encoding="utf-8")
            path.chmod(0o755)

    @property
    def said(self) -> list[str]:
        return self._said.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    return Programs(directory)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    directory = tmp_path / "work"
    directory.mkdir()
    return directory


@pytest.mark.parametrize("builder", [DockerBuilder, BuildahBuilder])
def test_a_base_is_named_by_digest(
    programs: Programs, work: Path, builder: type[DockerBuilder]
) -> None:
    programs.add(builder.program, script="exit 1")
    build = builder(RELEASE, work, base=DIGEST, refresh=False)
    with pytest.raises(BuildError, match=f"{builder.program} build failed"):
        build.build_image("api", "api:test")
    assert f"--build-arg=BASE={DIGEST} " in programs.said[-1]
    for wrong in ("debian:trixie-slim", "debian@sha256:abc", "@sha256:" + "0" * 64):
        with pytest.raises(BuildError, match="has no digest"):
            builder(RELEASE, work, base=wrong, refresh=False)


def test_docker_builds_with_labels(programs: Programs, work: Path) -> None:
    programs.add("docker")
    builder = DockerBuilder(RELEASE, work, base=None, refresh=True)
    builder.build_image("api", "api:test")
    builder.save("api:test", work / "api.tar")
    [build, save] = programs.said
    assert "BASE" not in build, "the Dockerfile's own"
    for option in (
        "--target=api",
        "--tag=api:test",
        "--pull",
        "--build-arg=SOURCE_DATE_EPOCH=86400",
        "--label=org.opencontainers.image.revision=abc",
        f"--secret=id=pip.conf,src={work / 'pip.conf'}",
    ):
        assert option in build.split()
    assert build.split()[-1] == str(CHECKOUT)
    assert save == f"docker save --output {work / 'api.tar'} api:test"


def test_buildah_dates_files_apart_from_the_image(programs: Programs, work: Path) -> None:
    programs.add("buildah")
    builder = BuildahBuilder(RELEASE, work, base=DIGEST, refresh=False)
    builder.build_image("api", "api:test")
    [files, labels] = (it.split() for it in programs.said)
    assert {"--timestamp=0", "--target=api", "--isolation=chroot", "--layers"} <= {*files}
    assert not [option for option in files if option.startswith("--label")]
    assert {"--timestamp=86400", "--tag=api:test"} <= {*labels}
    assert "--label=org.opencontainers.image.created=1970-01-02T00:00:00Z" in labels
    assert (work / "labels" / "Dockerfile").read_text(encoding="utf-8") == "FROM api:test\n"


def test_buildah_replaces_an_archive(programs: Programs, work: Path) -> None:
    programs.add("buildah")
    archive = work / "api.tar"
    archive.touch()  # buildah would refuse to write into it
    BuildahBuilder(RELEASE, work, base=DIGEST, refresh=False).save("api:test", archive)
    assert not archive.exists()
    assert programs.said == [f"buildah push --quiet api:test docker-archive:{archive}:api:test"]


def test_base_is_made_once(programs: Programs, work: Path) -> None:
    programs.add("mmdebstrap")
    programs.add("buildah")
    name = ensure_base(work / "apt.conf", refresh=False)
    [_, bootstrap, build] = programs.said
    assert f" --aptopt={work / 'apt.conf'} trixie " in bootstrap
    assert f" --tag={name} " in build
    programs.add("buildah", script="echo 0123456789ab")  # it is in the store
    assert ensure_base(work / "apt.conf", refresh=False) == name
    assert len(programs.said) == 4
    ensure_base(work / "apt.conf", refresh=True)
    assert len(programs.said) == 6


@pytest.mark.parametrize("there", ["", "buildah"])
def test_missing_programs_are_named_with_the_remedy(
    programs: Programs, work: Path, there: str
) -> None:
    if there:
        programs.add(there)
    with pytest.raises(BuildError, match="install a Docker engine, or `apt-get install buildah "):
        BuildahBuilder(RELEASE, work, base=None, refresh=False)


def test_a_failure_shows_the_end_of_the_output(programs: Programs, work: Path) -> None:
    programs.add(
        "docker", script="echo first; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo $i; done; exit 1"
    )
    with pytest.raises(BuildError) as failed:
        DockerBuilder(RELEASE, work, base=None, refresh=False).build_image("api", "api:test")
    assert str(failed.value).startswith("docker build failed:\n  1\n")
    assert str(failed.value).endswith("\n  12")


def test_pips_settings_are_those_on_fetching() -> None:
    listing = """\
:env:.index-url='https://variable.example/simple'
:env:.no-cache-dir='1'
global.cert='/etc/authorities.pem'
global.index-url='https://file.example/simple'
install.extra-index-url='https://one.example\\nhttps://two.example'
"""
    assert pip_settings(listing) == {
        "cert": "/etc/authorities.pem",
        "extra-index-url": "https://one.example\nhttps://two.example",
        "index-url": "https://variable.example/simple",
    }
    assert pip_settings("") == {}


def test_apts_settings_are_those_on_fetching() -> None:
    dump = """\
APT::Architecture "amd64";
Acquire::Languages "none";
Acquire::http::Proxy "http://proxy.example:3128";
Acquire::httpsomething "1";
Acquire::Check-Valid-Until "false";
"""
    expected = 'Acquire::http::Proxy "http://proxy.example:3128";\n'
    assert apt_settings(dump) == expected + 'Acquire::Check-Valid-Until "false";\n'


def test_secrets_hold_the_settings(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authorities = work / "authorities.pem"
    authorities.write_text("certificates", encoding="utf-8")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_CERT", str(authorities))
    monkeypatch.setenv("PIP_INDEX_URL", "https://user:50%25@index.example/simple")
    options = write_secrets(work)
    sources = dict(option.removeprefix("--secret=id=").split(",src=") for option in options)
    assert sources == {name: str(work / name) for name in ("apt.conf", "ca.pem", "pip.conf")}
    parser = configparser.RawConfigParser()
    parser.read(work / "pip.conf")
    assert parser["global"]["index-url"] == "https://user:50%25@index.example/simple"
    assert parser["global"]["cert"] == "/run/secrets/ca.pem"
    assert (work / "ca.pem").read_text(encoding="utf-8") == "certificates"
