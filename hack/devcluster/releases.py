"""The programs and their sources: the rows of ``releases.yaml``."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

TABLE: Final = Path(__file__).parent / "releases.yaml"
MODULES: Final = Path(__file__).parent / "modules"
"""The Go modules, each in a folder with the name of its release."""
DIGEST_CHARACTERS: Final = 12


@dataclass(frozen=True, slots=True)
class Download:
    """The source of a project's programs; ``releases.yaml`` explains the fields."""

    base: str
    location: str
    checksums: str
    member: str | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """One upstream project at one version, or a module of ours at the digest of its files."""

    name: str
    version: str
    download: Download | None
    """None for what is not published, only built."""
    ldflags: str = "-s -w"
    tags: str = ""
    """Go's build tags, separated by commas."""
    cgo: bool = False
    """True if it is partly C: it needs a C compiler, and is built for this machine only."""
    modules: Path = MODULES
    """The folder in which its Go module is."""

    @property
    def module(self) -> Path:
        """The folder of its Go module."""
        return self.modules / self.name

    def directory_name(self, platform: str) -> str:
        """Return the name of its directory in the cache, for a platform like ``linux-amd64``."""
        return f"{self.name}-{self.version}-{platform}"


@dataclass(frozen=True, slots=True)
class Program:
    """One executable."""

    name: str
    release: Release
    package: str
    """The Go package that is built."""

    def expand(self, template: str, platform: str) -> str:
        """Return a location of this program's download for ``platform``."""
        system, _, machine = platform.partition("-")
        version = self.release.version
        fields = {"version": version, "number": version.removeprefix("v"), "program": self.name}
        return template.format(os=system, arch=machine, **fields)


def digest(module: Path) -> str:
    """Return a version for a module's files: a change of one is another version."""
    found = hashlib.sha256()
    for path in sorted(module.rglob("*")):
        if path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            found.update(f"{path.relative_to(module).as_posix()} {content}\n".encode())
    return found.hexdigest()[:DIGEST_CHARACTERS]


def _programs() -> Iterator[Program]:
    for name, row in yaml.safe_load(TABLE.read_text(encoding="utf-8")).items():
        packages, download = row.pop("programs"), row.pop("download", None)
        row.setdefault("version", digest(MODULES / name))
        ldflags = row.pop("ldflags", "-s -w").format(version=row["version"])
        download = Download(**download) if download else None
        release = Release(name, download=download, ldflags=ldflags, **row)
        for program, package in packages.items():
            yield Program(program, release, package)


PROGRAMS: Final = {program.name: program for program in _programs()}
