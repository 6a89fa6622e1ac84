"""The builder, with a Go module that takes a second."""

import os
import re
import shutil
import subprocess
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from devcluster.build import GoBuilder
from devcluster.errors import BuildError
from devcluster.platforms import platform_name
from devcluster.progress import Progress
from devcluster.releases import PROGRAMS, Download, Program, Release, digest

RELEASE = Release(
    "greeter", "v0.1.0", Download("", "", ""), ldflags="-X main.version=v0.1.0 -X main.who=you"
)
SOURCE = 'package main\nvar version, who string\nfunc main() { println("hello", who, version) }\n'
needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed")


@pytest.fixture
def greeter(tmp_path: Path) -> Program:
    release = replace(RELEASE, modules=tmp_path / "modules")
    command = release.module / "cmd"
    command.mkdir(parents=True)
    (command / "main.go").write_text(SOURCE, encoding="utf-8")
    (command.parent / "go.mod").write_text(
        "module example.test/greeter\n\ngo 1.21\n", encoding="utf-8"
    )
    return Program("greeter", release, "example.test/greeter/cmd")


def fake_go(directory: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a ``go`` on PATH that is ``script``."""
    directory.mkdir()
    program = directory / "go"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")


@needs_go
def test_program_is_built_with_its_flags(
    greeter: Program, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "greeter"
    GoBuilder(platform_name()).get(greeter, target)
    done = subprocess.run([target], capture_output=True, encoding="utf-8", check=True)
    assert done.stderr == "hello you v0.1.0\n"
    assert "building greeter v0.1.0 with Go (minutes, the first time)" in capsys.readouterr().err


@needs_go
def test_other_platform(greeter: Program, tmp_path: Path) -> None:
    target = tmp_path / "greeter"
    GoBuilder("linux-arm64").get(greeter, target)
    assert target.read_bytes()[18:20] == b"\xb7\x00"  # EM_AARCH64


@needs_go
def test_compiler_has_the_last_word(greeter: Program, tmp_path: Path) -> None:
    (greeter.release.module / "cmd" / "main.go").write_text("package main\nfunc main() { oops }\n")
    with pytest.raises(BuildError, match=r"(?s)building greeter v0.1.0 .*undefined: oops"):
        GoBuilder(platform_name()).get(greeter, tmp_path / "greeter")
    assert [path.name for path in tmp_path.iterdir()] == ["modules"]


def test_without_go(greeter: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"no `go` on PATH; install Go 1\.21 or newer"):
        GoBuilder("linux-amd64").get(greeter, tmp_path / "greeter")


def test_old_go(greeter: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "go: errors parsing go.mod: invalid go version"
    fake_go(tmp_path / "bin", f"echo '{said}' >&2; exit 1", monkeypatch)
    with pytest.raises(BuildError, match=rf"(?s)it takes Go 1\.21 or newer.*{said}"):
        GoBuilder("linux-amd64").get(greeter, tmp_path / "greeter")


def test_interrupted_build_ends_its_compilers(
    greeter: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
        GoBuilder("linux-amd64").get(greeter, tmp_path / "greeter")
    assert seen.is_set()
    assert not Path("/proc", pid_file.read_text(encoding="utf-8").strip()).exists()


def test_every_release_has_its_module() -> None:
    for program in PROGRAMS.values():
        module = program.release.module
        mod_file = (module / "go.mod").read_text(encoding="utf-8")
        if program.release.download:
            assert program.package in mod_file
            assert f" {program.release.version} //" in mod_file
        else:
            [name] = re.findall(r"^module (\S+)$", mod_file, re.MULTILINE)
            assert program.package.startswith(name)
            assert (module / program.package.removeprefix(name).strip("/") / "main.go").is_file()
            assert program.release.version == digest(module)


def test_each_change_of_a_module_of_ours_is_another_version(tmp_path: Path) -> None:
    def written(files: dict[str, str]) -> str:
        module = Path(tempfile.mkdtemp(dir=tmp_path))
        for name, text in files.items():
            (module / name).parent.mkdir(exist_ok=True)
            (module / name).write_text(text, encoding="utf-8")
        return digest(module)

    files = {"go.mod": "module a\n", "b/main.go": "package main\n"}
    assert written(files) == written(dict(reversed(files.items())))
    others = [
        {**files, "b/main.go": "package main // other\n"},
        {"go.mod": files["go.mod"], "c/main.go": files["b/main.go"]},
        {**files, "b/other.go": ""},
    ]
    assert len({written(files), *map(written, others)}) == 4
