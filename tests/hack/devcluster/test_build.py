"""The builder, with a Go module that takes a second."""

import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from devcluster.build import GoBuilder
from devcluster.errors import BuildError
from devcluster.platforms import platform_name
from devcluster.progress import Progress
from devcluster.releases import Download, Program, Release

RELEASE = Release(
    "greeter", "v0.1.0", Download("", "", ""), ldflags="-X main.version=v0.1.0 -X main.who=you"
)
GREETER = Program("greeter", RELEASE, "example.test/greeter/cmd")
SOURCE = 'package main\nvar version, who string\nfunc main() { println("hello", who, version) }\n'
needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed")


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    command = tmp_path / "modules" / "greeter" / "cmd"
    command.mkdir(parents=True)
    (command / "main.go").write_text(SOURCE, encoding="utf-8")
    (command.parent / "go.mod").write_text(
        "module example.test/greeter\n\ngo 1.21\n", encoding="utf-8"
    )
    return tmp_path / "modules"


def fake_go(directory: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a ``go`` on PATH that is ``script``."""
    directory.mkdir()
    program = directory / "go"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")


@needs_go
def test_program_is_built_with_its_flags(
    modules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "greeter"
    GoBuilder(platform_name(), modules).get(GREETER, target)
    done = subprocess.run([target], capture_output=True, encoding="utf-8", check=True)
    assert done.stderr == "hello you v0.1.0\n"
    assert "building greeter v0.1.0 with Go (minutes, the first time)" in capsys.readouterr().err


@needs_go
def test_other_platform(modules: Path, tmp_path: Path) -> None:
    target = tmp_path / "greeter"
    GoBuilder("linux-arm64", modules).get(GREETER, target)
    assert target.read_bytes()[18:20] == b"\xb7\x00"  # EM_AARCH64


@needs_go
def test_compiler_has_the_last_word(modules: Path, tmp_path: Path) -> None:
    (modules / "greeter" / "cmd" / "main.go").write_text("package main\nfunc main() { oops }\n")
    with pytest.raises(BuildError, match=r"(?s)building greeter v0.1.0 .*undefined: oops"):
        GoBuilder(platform_name(), modules).get(GREETER, tmp_path / "greeter")
    assert [path.name for path in tmp_path.iterdir()] == ["modules"]


def test_without_go(modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"no `go` on PATH; install Go 1\.21 or newer"):
        GoBuilder("linux-amd64", modules).get(GREETER, tmp_path / "greeter")


def test_old_go(modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "go: errors parsing go.mod: invalid go version"
    fake_go(tmp_path / "bin", f"echo '{said}' >&2; exit 1", monkeypatch)
    with pytest.raises(BuildError, match=rf"(?s)it takes Go 1\.21 or newer.*{said}"):
        GoBuilder("linux-amd64", modules).get(GREETER, tmp_path / "greeter")


def test_interrupted_build_ends_its_compilers(
    modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid_file = tmp_path / "compiler"
    fake_go(
        tmp_path / "bin",
        f"echo $$ >{pid_file}; sleep 60 & wait",
        monkeypatch,
    )
    seen = threading.Event()

    def interrupt(_progress: Progress, _detail: str) -> None:
        if pid_file.exists() and pid_file.read_text(encoding="utf-8").strip():
            seen.set()
            raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "update", interrupt)
    with pytest.raises(KeyboardInterrupt):
        GoBuilder("linux-amd64", modules).get(GREETER, tmp_path / "greeter")
    assert seen.is_set()
    assert not Path("/proc", pid_file.read_text(encoding="utf-8").strip()).exists()


def test_every_release_has_its_module() -> None:
    from devcluster.build import MODULES  # noqa: PLC0415
    from devcluster.releases import PROGRAMS  # noqa: PLC0415

    for program in PROGRAMS.values():
        mod_file = (MODULES / program.release.name / "go.mod").read_text(encoding="utf-8")
        assert program.package in mod_file
        if program.release.download:  # our own programs have only the checkout's version
            assert f" {program.release.version} //" in mod_file
