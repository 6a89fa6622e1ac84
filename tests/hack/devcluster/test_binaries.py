"""The places in which programs are searched, in order. A caller never gets a partial program."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from devcluster.binaries import CONTROL_PLANE, Getter, Programs, cache_root, find_binaries
from devcluster.errors import (
    BinariesUnavailable,
    BuildError,
    ChecksumMismatch,
    DownloadError,
)
from devcluster.releases import PROGRAMS, Program


class Source:
    """A getter that writes its name, or fails."""

    def __init__(
        self,
        title: str,
        error: Exception | None = None,
        before: Callable[[], object] = lambda: None,
    ) -> None:
        self.title = title
        self.got: list[str] = []
        self._error = error
        self._before = before

    def get(self, program: Program, target: Path) -> None:
        self.got.append(program.name)
        self._before()
        target.write_text(self.title, encoding="utf-8")
        if self._error:
            raise self._error


def programs(tmp_path: Path, *getters: Getter, assets: Path | None = None) -> Programs:
    return Programs("linux-amd64", cache=tmp_path / "cache", assets=assets, getters=getters)


def put(directory: Path, names: Sequence[str]) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).write_text("assets", encoding="utf-8")
        (directory / name).chmod(0o755)
    return directory


def contents(found: Programs, names: Sequence[str] = CONTROL_PLANE) -> dict[str, str]:
    return {name: path.read_text("utf-8") for name, path in found.ensure(names).items()}


def test_users_own_programs_come_first(tmp_path: Path) -> None:
    source = Source("download")
    assets = put(tmp_path / "assets", CONTROL_PLANE)
    assert set(contents(programs(tmp_path, source, assets=assets)).values()) == {"assets"}
    assert source.got == []


def test_users_own_release_is_taken_whole_or_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The envtest archive contains no controller manager.
    assets = put(tmp_path / "assets", ["etcd", "kube-apiserver", "kubectl"])
    assert contents(programs(tmp_path, Source("download"), assets=assets)) == {
        "etcd": "assets",
        "kube-apiserver": "download",
        "kube-controller-manager": "download",
        "kubectl": "download",
    }
    said = capsys.readouterr().err
    assert "KUBEBUILDER_ASSETS has no kube-controller-manager" in said
    assert "its kube-apiserver, kubectl is not used" in said


def test_cached_programs_are_not_got_again(tmp_path: Path) -> None:
    first, second = Source("download"), Source("download")
    contents(programs(tmp_path, first))
    contents(programs(tmp_path, second))
    assert sorted(first.got) == sorted(CONTROL_PLANE)
    assert second.got == []


def test_cache_is_keyed_by_release_version_and_platform(tmp_path: Path) -> None:
    found = programs(tmp_path, Source("download")).ensure(["kubectl"])
    version = PROGRAMS["kubectl"].release.version
    assert found["kubectl"] == tmp_path / "cache" / f"kubernetes-{version}-linux-amd64" / "kubectl"
    assert found["kubectl"].stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("error", [DownloadError("404"), BuildError("no Go"), OSError("full")])
def test_next_way_is_tried_when_one_fails(
    tmp_path: Path, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    found = contents(programs(tmp_path, Source("first", error), Source("second")), ["etcd"])
    assert found == {"etcd": "second"}
    assert f"first: {error}" in capsys.readouterr().err


def test_no_way_is_one_message_with_every_reason(tmp_path: Path) -> None:
    getters = Source("download", DownloadError("refused")), Source("build", BuildError("no Go"))
    with pytest.raises(BinariesUnavailable) as caught:
        programs(tmp_path, *getters).ensure(["etcd"])
    assert [line.strip() for line in str(caught.value).splitlines()] == [
        f"etcd {PROGRAMS['etcd'].release.version} is not available for linux-amd64:",
        "KUBEBUILDER_ASSETS: not set",
        f"cache: no {tmp_path}/cache/etcd-{PROGRAMS['etcd'].release.version}-linux-amd64/etcd",
        "download: refused",
        "build: no Go",
    ]


@pytest.mark.parametrize("error", [ChecksumMismatch("not theirs"), KeyboardInterrupt()])
def test_nothing_else_is_tried_and_nothing_left(tmp_path: Path, error: Exception) -> None:
    other = Source("build")
    with pytest.raises(type(error)):
        programs(tmp_path, Source("download", error), other).ensure(["etcd"])
    assert other.got == []
    assert [path for path in (tmp_path / "cache").rglob("*") if path.suffix == ".part"] == []
    assert list((tmp_path / "cache").rglob("etcd")) == []


def test_two_runs_get_a_program_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def pause() -> None:
        begun.set()
        assert go_on.wait(10)

    first, second = Source("download", before=pause), Source("download")
    found: list[dict[str, str]] = []

    def run(source: Source) -> threading.Thread:
        thread = threading.Thread(
            target=lambda: found.append(contents(programs(tmp_path, source), ["etcd"]))
        )
        thread.start()
        return thread

    one = run(first)
    assert begun.wait(10)
    two = run(second)
    two.join(0.5)
    assert two.is_alive()
    go_on.set()
    one.join(10)
    two.join(10)
    assert found == [{"etcd": "download"}] * 2
    assert second.got == []
    assert "waiting for another run: etcd" in capsys.readouterr().err


def test_directory_in_a_programs_place_is_no_program(tmp_path: Path) -> None:
    assets = tmp_path / "assets"
    (assets / "etcd").mkdir(parents=True)
    found = contents(programs(tmp_path, Source("download"), assets=assets), ["etcd"])
    assert found == {"etcd": "download"}


def test_cache_is_where_xdg_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root() == tmp_path / "wegent"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache_root() == Path("/home/somebody/.cache/wegent")


def test_relative_directories_are_those_of_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put(tmp_path / "assets", CONTROL_PLANE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", "assets")
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    assert find_binaries().etcd == tmp_path / "assets" / "etcd"
    assert cache_root() == tmp_path / "cache" / "wegent"


def test_programs_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(put(tmp_path / "assets", CONTROL_PLANE)))
    assert find_binaries().kube_controller_manager == tmp_path / "assets/kube-controller-manager"
