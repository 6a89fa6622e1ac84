"""Upstream's released programs, checked against the checksums published beside them.

Not pooch: the checksum comes first, a cut download is tried once more, and an unreachable mirror is
not asked again.
"""

import hashlib
import re
import shutil
import tarfile
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Final

import httpx

from devcluster.errors import ChecksumMismatch, DownloadError
from devcluster.progress import Progress
from devcluster.releases import Program

SMALL_WITHIN_S: Final = 6.0
"""For a checksum: where upstream can't be reached, another source is tried after this.

It bounds all of it: a resolver without an answer takes much longer, and httpx can't bound that.
"""
FAULTS: Final = (httpx.HTTPError, httpx.InvalidURL, ImportError, OSError, ValueError)
"""Errors of a download: the network's, a full disk's, and those of proxies and certificates in the
environment, of which a SOCKS proxy without its package is an ImportError."""
STALL_S: Final = 15.0
"""A server that sends nothing for so long has cut the connection without saying so."""
ATTEMPTS: Final = 2
"""A cut connection is tried once more; from the start, so that one hash covers it all."""
CHUNK: Final = 1 << 20
AS_PUBLISHED: Final = {"Accept-Encoding": "identity"}
"""The checksum is that of the file, not of a compressed transfer."""
MEGABYTE: Final = 1e6


class Downloader:
    """Fetches a program's release for one platform.

    Args:
        platform: such as ``linux-amd64``.
        bases: another base address for a release, by its name: a mirror.
    """

    title: Final = "download"

    def __init__(self, platform: str, bases: Mapping[str, str] | None = None) -> None:
        self._platform = platform
        self._bases = dict(bases or {})
        self._unreachable: dict[str, DownloadError] = {}

    def get(self, program: Program, target: Path) -> None:
        """Write the program to ``target``.

        Raises:
            DownloadError: it can't be had from there.
            ChecksumMismatch: what came is not what was published.
        """
        download = program.release.download
        if download is None:
            raise DownloadError(f"{program.name} is not published; it is built")
        base = self._bases.get(program.release.name, download.base)
        if base in self._unreachable:  # one wait for a server is enough
            raise self._unreachable[base]
        url = base + program.expand(download.location, self._platform)
        checksums = base + program.expand(download.checksums, self._platform)
        label = f"downloading {program.name} {program.release.version}"
        archive = target.with_name(target.name + ".archive")
        try:
            with Progress(label) as progress:
                try:
                    listing = _text_of(checksums)
                except FAULTS as error:
                    refusal = _failed(checksums, error)
                    if not isinstance(error, httpx.HTTPStatusError):
                        self._unreachable[base] = refusal
                    raise refusal from error
                expected = _find_checksum(listing, checksums, url.rpartition("/")[2])
                _fetch(url, archive, expected, progress)
            if download.member is None:
                archive.replace(target)
            else:
                _extract(archive, program.expand(download.member, self._platform), target)
        except FAULTS as error:
            raise _failed(url, error) from error
        finally:
            archive.unlink(missing_ok=True)


def _text_of(url: str) -> str:
    answer: Future[str] = Future()

    def ask() -> None:
        try:
            response = httpx.get(url, timeout=SMALL_WITHIN_S, follow_redirects=True)
            answer.set_result(response.raise_for_status().text)
        except Exception as error:  # noqa: BLE001 - raised by result()
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()  # it may outlive the deadline
    try:
        return answer.result(SMALL_WITHIN_S)
    except TimeoutError as error:
        raise httpx.ConnectTimeout(f"no answer within {SMALL_WITHIN_S:.0f} s") from error


def _fetch(url: str, target: Path, expected: str, progress: Progress) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _stream(url, target, progress)
            break
        except httpx.HTTPError as error:
            if isinstance(error, httpx.HTTPStatusError) or attempt == ATTEMPTS:
                raise
    with target.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != expected:
        raise ChecksumMismatch(
            f"{url} has SHA-256 {actual}, but its publisher says {expected}."
            f" It was removed: it is damaged or not genuine"
        )


def _stream(url: str, target: Path, progress: Progress) -> None:
    with (
        httpx.stream(
            "GET", url, timeout=STALL_S, follow_redirects=True, headers=AS_PUBLISHED
        ) as response,
        target.open("wb") as file,
    ):
        total = int(response.raise_for_status().headers.get("Content-Length", 0))
        for chunk in response.iter_raw(CHUNK):
            file.write(chunk)
            done = file.tell()
            share = f" of {total / MEGABYTE:.1f} MB ({done / total:.0%})" if total else " MB"
            progress.update(f"{done / MEGABYTE:.1f}{share}")


def _failed(url: str, error: Exception) -> DownloadError:
    if isinstance(error, httpx.HTTPStatusError):
        return DownloadError(
            f"GET {url}: {error.response.status_code} {error.response.reason_phrase}"
        )
    return DownloadError(f"GET {url}: {str(error) or type(error).__name__}")


def _find_checksum(listing: str, url: str, file_name: str) -> str:
    """Return the SHA-256 for ``file_name`` from what ``url`` held."""
    for line in listing.splitlines():
        digest, *names = line.split() or [""]
        # sha256sum marks binary mode with an asterisk before the name.
        if re.fullmatch(r"[0-9a-f]{64}", digest) and names in ([], [file_name], [f"*{file_name}"]):
            return digest
    raise DownloadError(f"{url} has no SHA-256 for {file_name}: {listing[:80]!r}")


def _extract(archive: Path, member: str, target: Path) -> None:
    try:
        with tarfile.open(archive) as tar:
            source = tar.extractfile(member)
            if source is None:
                raise DownloadError(f"{member} is not a file in its archive")
            with source, target.open("wb") as file:
                shutil.copyfileobj(source, file)
    except (tarfile.TarError, KeyError) as error:
        raise DownloadError(f"no {member} in its archive: {error}") from error
