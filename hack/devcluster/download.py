"""Upstream's released programs, checked against the checksums published beside them."""

import hashlib
import queue
import re
import shutil
import tarfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Final, cast
from urllib.parse import urlsplit

from devcluster.errors import ChecksumMismatch, DownloadError
from devcluster.progress import Progress
from devcluster.releases import Program

SMALL_WITHIN_S: Final = 6.0
"""For a checksum, names and redirects included: who can't reach upstream learns it by this."""
SMALL_BYTES: Final = 1 << 20
STALL_S: Final = 15.0
"""A server that sends nothing for so long has cut the connection without saying so."""
ATTEMPTS: Final = 2
"""A cut connection is tried once more; from the start, so that one hash covers it all."""
CHUNK: Final = 1 << 20
MEGABYTE: Final = 1e6


class _CutError(Exception):
    """The connection ended before the file did."""


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
        try:
            listing = _within(SMALL_WITHIN_S, checksums, lambda: _read_small(checksums))
        except DownloadError as error:
            if not isinstance(error.__cause__, urllib.error.HTTPError):
                self._unreachable[base] = error
            raise
        expected = _find_checksum(listing, checksums, url.rpartition("/")[2])
        label = f"downloading {program.name} {program.release.version}"
        if download.member is None:
            _fetch(url, target, expected, label)
            return
        archive = target.with_name(target.name + ".archive")
        try:
            _fetch(url, archive, expected, label)
            _extract(archive, program.expand(download.member, self._platform), target)
        finally:
            archive.unlink(missing_ok=True)


def _fetch(url: str, target: Path, expected: str, label: str) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with Progress(label) as progress:
                actual = _stream(url, target, progress)
        except (_CutError, HTTPException, OSError) as error:
            if isinstance(error, urllib.error.HTTPError) or attempt == ATTEMPTS:
                raise _failed(url, error) from error
            continue
        if actual != expected:
            target.unlink()
            raise ChecksumMismatch(
                f"{url} has SHA-256 {actual}, but its publisher says {expected}."
                f" The download was removed: it is damaged or not genuine"
            )
        return


def _stream(url: str, target: Path, progress: Progress) -> str:
    digest = hashlib.sha256()
    done = 0
    with _open(url, STALL_S) as response, target.open("wb") as file:
        total = int(response.headers.get("Content-Length") or 0)
        while chunk := response.read(CHUNK):
            file.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            share = f" of {total / MEGABYTE:.1f} MB ({done / total:.0%})" if total else " MB"
            progress.update(f"{done / MEGABYTE:.1f}{share}")
    # A read in pieces does not notice by itself that the end came too early.
    if total and done < total:
        raise _CutError(f"the connection was cut after {done} of {total} bytes")
    return digest.hexdigest()


def _read_small(url: str) -> str:
    with _open(url, SMALL_WITHIN_S) as response:
        return response.read(SMALL_BYTES).decode("ascii", errors="replace")


def _open(url: str, timeout_s: float) -> HTTPResponse:
    if urlsplit(url).scheme not in {"https", "http"}:
        raise DownloadError(f"{url} is not an HTTP URL")
    # urllib follows redirects, as both hosts answer with, and honours https_proxy.
    response = urllib.request.urlopen(url, timeout=timeout_s)  # noqa: S310 - checked above
    return cast("HTTPResponse", response)


def _within(seconds: float, url: str, fetch: Callable[[], str]) -> str:
    """Return what ``fetch`` gives, but wait no longer: a resolver's own deadlines add up."""
    answers: queue.SimpleQueue[str | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(fetch())
        except Exception as error:  # noqa: BLE001 - handed to the caller
            answers.put(error)

    threading.Thread(target=run, daemon=True).start()  # the program's end need not wait for it
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise DownloadError(f"GET {url}: no answer within {seconds:.0f} s") from None
    if isinstance(answer, Exception):
        raise _failed(url, answer) from answer
    return answer


def _failed(url: str, error: Exception) -> DownloadError:
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return DownloadError(f"GET {url}: {error.code} {error.reason}")
    return DownloadError(f"GET {url}: {getattr(error, 'reason', error)}")


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
