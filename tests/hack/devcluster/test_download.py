"""The real downloader, against a local server in upstream's place."""

import hashlib
import io
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest

from devcluster import download
from devcluster.download import Downloader
from devcluster.errors import ChecksumMismatch, DownloadError
from devcluster.ports import free_ports
from devcluster.releases import PROGRAMS
from tests.hack.devcluster.conftest import Upstream

KUBECTL = PROGRAMS["kubectl"]
ETCD = PROGRAMS["etcd"]
PATH = f"{KUBECTL.release.version}/bin/linux/amd64/kubectl"
CONTENT = b"a program\n" * 300_000


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def downloader(upstream: Upstream, platform: str = "linux-amd64") -> Downloader:
    return Downloader(platform, {"kubernetes": upstream.url, "etcd": upstream.url})


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "program"


def test_program_with_the_right_checksum(
    upstream: Upstream, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.file(PATH, CONTENT)
    upstream.file(f"{PATH}.sha256", sha256(CONTENT).encode())
    downloader(upstream).get(KUBECTL, target)
    assert target.read_bytes() == CONTENT
    assert f"downloading kubectl {KUBECTL.release.version}" in capsys.readouterr().err


def test_redirects_are_followed(upstream: Upstream, target: Path) -> None:
    upstream.redirect(PATH, "elsewhere")
    upstream.file("elsewhere", CONTENT)
    upstream.redirect(f"{PATH}.sha256", "elsewhere.sha256")
    upstream.file("elsewhere.sha256", sha256(CONTENT).encode())
    downloader(upstream).get(KUBECTL, target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("machine", ["amd64", "arm64"])
def test_program_in_an_archive(upstream: Upstream, target: Path, machine: str) -> None:
    version = ETCD.release.version
    folder = f"etcd-{version}-linux-{machine}"
    file_name = f"{folder}.tar.gz"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, content in (("README.md", b"no program"), ("etcd", CONTENT)):
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    listing = f"{'0' * 64}  other.zip\n{sha256(archive.getvalue())}  {file_name}\n"
    upstream.file(f"{version}/{file_name}", archive.getvalue())
    upstream.file(f"{version}/SHA256SUMS", listing.encode())
    downloader(upstream, f"linux-{machine}").get(ETCD, target)
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def test_wrong_checksum_leaves_nothing(upstream: Upstream, target: Path) -> None:
    upstream.file(PATH, CONTENT + b"and more")
    upstream.file(f"{PATH}.sha256", sha256(CONTENT).encode())
    with pytest.raises(ChecksumMismatch, match=f"its publisher says {sha256(CONTENT)}"):
        downloader(upstream).get(KUBECTL, target)
    assert not target.exists()


def test_cut_connection_is_tried_again(upstream: Upstream, target: Path) -> None:
    upstream.cut(PATH, CONTENT, after=1_000_000, times=1)
    upstream.file(f"{PATH}.sha256", sha256(CONTENT).encode())
    downloader(upstream).get(KUBECTL, target)
    assert target.read_bytes() == CONTENT
    assert upstream.asked.count(PATH) == 2


def test_connection_that_is_always_cut(upstream: Upstream, target: Path) -> None:
    upstream.cut(PATH, CONTENT, after=1_000_000)
    upstream.file(f"{PATH}.sha256", sha256(CONTENT).encode())
    with pytest.raises(DownloadError, match=r"received 1000000 bytes, expected 3000000"):
        downloader(upstream).get(KUBECTL, target)


def test_not_found_names_the_address(upstream: Upstream, target: Path) -> None:
    with pytest.raises(DownloadError, match=rf"{upstream.url}{PATH}.sha256: 404 Not Found"):
        downloader(upstream).get(KUBECTL, target)


def test_program_not_found_beside_its_checksum(upstream: Upstream, target: Path) -> None:
    upstream.file(f"{PATH}.sha256", sha256(CONTENT).encode())
    with pytest.raises(DownloadError, match=rf"{PATH}: 404 Not Found"):
        downloader(upstream).get(KUBECTL, target)
    assert upstream.asked.count(PATH) == 1


def test_page_in_place_of_a_checksum(upstream: Upstream, target: Path) -> None:
    upstream.file(f"{PATH}.sha256", b"<html>Sign in to this network</html>\n\n")
    with pytest.raises(DownloadError, match="has no SHA-256 for kubectl: '<html>"):
        downloader(upstream).get(KUBECTL, target)


def test_refusing_server_is_asked_once_and_quickly(target: Path) -> None:
    nobody = f"http://127.0.0.1:{free_ports(1)[0]}/"
    source = Downloader("linux-amd64", {"kubernetes": nobody})
    started = time.monotonic()
    for program in ("kubectl", "kube-apiserver"):
        with pytest.raises(DownloadError, match=r"kubectl\.sha256: .*Connection refused"):
            source.get(PROGRAMS[program], target)
    assert time.monotonic() - started < 2


def test_silent_server_is_given_up(
    upstream: Upstream, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert download.SMALL_WITHIN_S <= 10
    monkeypatch.setattr(download, "SMALL_WITHIN_S", 0.3)
    upstream.hang(f"{PATH}.sha256")
    with pytest.raises(DownloadError, match=r"no answer within|timed out"):
        downloader(upstream).get(KUBECTL, target)


def test_server_that_stalls_in_mid_file(
    upstream: Upstream, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "STALL_S", 0.2)
    upstream.hang(PATH)
    upstream.file(f"{PATH}.sha256", sha256(CONTENT).encode())
    with pytest.raises(DownloadError, match="timed out"):
        downloader(upstream).get(KUBECTL, target)


def test_server_that_can_not_be_found_in_time(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    monkeypatch.setattr(download, "SMALL_WITHIN_S", 0.2)
    # A resolver that does not answer; httpx's own limits begin after it.
    monkeypatch.setattr(httpx, "get", lambda *_, **__: released.wait(10))
    begun = time.monotonic()
    with pytest.raises(DownloadError, match=r"kubectl\.sha256: no answer within"):
        Downloader("linux-amd64", {"kubernetes": "http://no.example/"}).get(KUBECTL, target)
    released.set()
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("socks5://127.0.0.1:9", "socksio"),
        ("gopher://127.0.0.1:9", "scheme"),
        ("http://a:b", "port"),
    ],
)
def test_proxy_that_can_not_be_used(
    target: Path, monkeypatch: pytest.MonkeyPatch, proxy: str, said: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(DownloadError, match=said):
        Downloader("linux-amd64", {"kubernetes": "http://no.example/"}).get(KUBECTL, target)


def test_target_that_can_not_be_written(upstream: Upstream, tmp_path: Path) -> None:
    upstream.file(PATH, CONTENT)
    upstream.file(f"{PATH}.sha256", sha256(CONTENT).encode())
    with pytest.raises(DownloadError, match="No such file or directory"):
        downloader(upstream).get(KUBECTL, tmp_path / "missing" / "program")


def test_file_is_asked_for_as_it_was_published(upstream: Upstream, target: Path) -> None:
    accepted = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        accepted.append(request.headers["Accept-Encoding"])
        whole(request)

    upstream.file(PATH, CONTENT)
    whole, upstream.answers[PATH] = upstream.answers[PATH], answer
    upstream.file(f"{PATH}.sha256", sha256(CONTENT).encode())
    downloader(upstream).get(KUBECTL, target)
    assert accepted == ["identity"]


def test_only_web_addresses(target: Path) -> None:
    with pytest.raises(DownloadError, match="missing an 'http://' or 'https://' protocol"):
        Downloader("linux-amd64", {"kubernetes": "file:///etc/"}).get(KUBECTL, target)
