"""Programs of this machine, from a directory, the cache, upstream's releases, or a Go build.

Programs of one release come from one place or are all of our version: a controller
manager newer than its API server is a combination that Kubernetes does not support.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self

from devcluster.build import GoBuilder
from devcluster.download import Downloader
from devcluster.errors import BinariesUnavailable, BuildError, DownloadError
from devcluster.locks import locked
from devcluster.platforms import platform_name
from devcluster.progress import say
from devcluster.releases import PROGRAMS, Program, Release

CONTROL_PLANE: Final = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")
ASSETS_VARIABLE: Final = "KUBEBUILDER_ASSETS"
"""Names the directory in which controller-runtime's envtest, and with it most projects, looks."""


class Getter(Protocol):
    """A way to a program that this machine does not have."""

    @property
    def title(self) -> str:
        """Its action, in a word."""

    def get(self, program: Program, target: Path) -> None:
        """Write the program to ``target``, or raise DownloadError or BuildError."""


class Programs:
    """The programs of this machine, and the ways to more of them.

    Args:
        platform: such as ``linux-amd64``.
        cache: the directory of fetched programs, for all checkouts.
        assets: a directory with programs of the user's own.
        getters: tried in turn for what neither has.
    """

    def __init__(
        self, platform: str, *, cache: Path, assets: Path | None, getters: Sequence[Getter]
    ) -> None:
        self._platform = platform
        self._cache = cache
        self._assets = assets
        self._getters = getters

    @classmethod
    def of_this_machine(cls) -> Self:
        """Return them as the environment says."""
        platform = platform_name()
        assets = os.environ.get(ASSETS_VARIABLE)
        return cls(
            platform,
            cache=cache_root(),
            assets=Path(assets).absolute() if assets else None,
            getters=[Downloader(platform), GoBuilder(platform)],
        )

    def has(self, name: str) -> bool:
        """Return whether the named program is present."""
        program = PROGRAMS[name]
        directory = self._cache / program.release.directory_name(self._platform)
        places = [directory / name, *([self._assets / name] if self._assets else [])]
        return any(map(is_program, places))

    def ensure(self, names: Iterable[str]) -> Mapping[str, Path]:
        """Return where the named programs are, after getting those that are missing.

        Raises:
            BinariesUnavailable: there is no way to one of them.
            ChecksumMismatch: a download is not what its publisher says.
        """
        return self.ensure_programs([PROGRAMS[name] for name in names])

    def ensure_programs(self, wanted: Sequence[Program]) -> Mapping[str, Path]:
        """Return where programs of any table are, by name; raises as ``ensure``."""
        found: dict[str, Path] = {}
        for release in dict.fromkeys(program.release for program in wanted):
            group = [program for program in wanted if program.release == release]
            found |= self._from_assets(group) or self._from_cache(release, group)
        return found

    def _from_assets(self, group: Sequence[Program]) -> Mapping[str, Path]:
        if self._assets is None:
            return {}
        paths = {program.name: self._assets / program.name for program in group}
        missing = [name for name, path in paths.items() if not is_program(path)]
        if missing:
            if len(missing) < len(paths):
                others = ", ".join(name for name in paths if name not in missing)
                say(f"{ASSETS_VARIABLE} has no {', '.join(missing)}: its {others} is not used")
            return {}
        return paths

    def _from_cache(self, release: Release, group: Sequence[Program]) -> Mapping[str, Path]:
        directory = self._cache / release.directory_name(self._platform)
        paths = {program.name: directory / program.name for program in group}
        if not all(map(is_program, paths.values())):
            what = f"{release.name} {release.version} is being fetched"
            with locked(directory.with_name(directory.name + ".lock"), what):
                for program in group:
                    if not is_program(paths[program.name]):
                        self._get(program, paths[program.name])
        return paths

    def _get(self, program: Program, path: Path) -> None:
        """Put the program into the cache, whole or not at all; the lock is held."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        refusals = [f"{ASSETS_VARIABLE}: {self._assets or 'not set'}", f"cache: no {path}"]
        for getter in self._getters:
            try:
                getter.get(program, part)
                part.chmod(0o755)
                part.replace(path)
            except (DownloadError, BuildError, OSError) as error:
                say(f"{getter.title}: {error}")
                refusals.append(f"{getter.title}: {error}")
            else:
                return
            finally:
                part.unlink(missing_ok=True)
        raise BinariesUnavailable(
            f"{program.name} {program.release.version} is not available for {self._platform}:\n"
            + "\n".join(f"  {refusal}" for refusal in refusals)
        )


def is_program(path: Path) -> bool:
    """Return whether ``path`` can be run."""
    return path.is_file() and os.access(path, os.X_OK)


def cache_root() -> Path:
    """Return the cache's directory: outside the checkout, shared by all checkouts."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base).absolute() if base else Path.home() / ".cache") / "wegent"


@dataclass(frozen=True, slots=True)
class Binaries:
    """The programs that a control plane is made of, and kubectl."""

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kubectl: Path


def find_binaries(programs: Programs | None = None) -> Binaries:
    """Return the control plane's programs, fetched if missing; raises as ``Programs.ensure``."""
    paths = (programs or Programs.of_this_machine()).ensure(CONTROL_PLANE)
    return Binaries(*(paths[name] for name in CONTROL_PLANE))
