"""A package index on loopback with the simple API (PEP 503), for wheels made here.

The wheels have the metadata of the installed packages. Only the few packages that are run have
code: an installer's decisions depend on metadata alone.
"""

import base64
import hashlib
import io
import re
import threading
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import Distribution, PackageNotFoundError, distribution

KEPT = ("Requires-Dist", "Requires-Python", "Provides-Extra")
"""The fields of a package's metadata that installers decide by."""


class PackageIndex:
    """The published wheels, and the index's address."""

    def __init__(self, host: str, port: int) -> None:
        self.url = f"http://{host}:{port}/simple"
        self.files: dict[str, bytes] = {}

    def publish(self, name: str, version: str, *, with_code: bool = False) -> None:
        """Add a wheel of one version, with the metadata of the installed package.

        Args:
            name: of the package.
            version: to publish; the installed version may differ.
            with_code: whether to add the installed files.
        """
        try:
            installed: Distribution | None = distribution(name)
        except PackageNotFoundError:  # a package that the lock has for other systems
            installed = None
        stem = f"{name.replace('-', '_')}-{version}"
        files = dict(_code(installed)) if installed and with_code else {}
        info = f"{stem}.dist-info"
        files[f"{info}/METADATA"] = _metadata(name, version, installed)
        files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        entry_points = installed.read_text("entry_points.txt") if installed and with_code else None
        if entry_points:
            files[f"{info}/entry_points.txt"] = entry_points.encode()
        files[f"{info}/RECORD"] = _record(files, info)
        wheel = io.BytesIO()
        with zipfile.ZipFile(wheel, "w") as archive:
            for path, content in files.items():
                archive.writestr(path, content)
        self.files[f"{stem}-py3-none-any.whl"] = wheel.getvalue()

    def page(self, project: str) -> str:
        """Return the project's page: a link for each file, with its digest."""
        links = [
            f'<a href="/files/{name}#sha256={hashlib.sha256(content).hexdigest()}">{name}</a>'
            for name, content in self.files.items()
            if name.partition("-")[0].replace("_", "-") == project
        ]
        return "<!DOCTYPE html><html><body>" + "<br>".join(links) + "</body></html>"


@contextmanager
def package_index() -> Iterator[PackageIndex]:
    """Serve an index on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place, _, rest = self.path.removeprefix("/").partition("/")
            if place == "simple" and (page := index.page(rest.strip("/"))):
                self._answer(page.encode(), "text/html")
            elif place == "files" and rest in index.files:
                self._answer(index.files[rest], "application/octet-stream")
            else:
                self.send_error(404)

        do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

        def _answer(self, content: bytes, media_type: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        index = PackageIndex("127.0.0.1", server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield index
        finally:
            server.shutdown()
            thread.join()


def _metadata(name: str, version: str, installed: Distribution | None) -> bytes:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    if installed is not None:
        lines += [
            f"{field}: {value}" for field in KEPT for value in installed.metadata.get_all(field, [])
        ]
    return ("\n".join(lines) + "\n").encode()


def _code(installed: Distribution) -> Iterable[tuple[str, bytes]]:
    for file in installed.files or ():
        path = str(file)
        if not re.search(r"^\.\.|\.dist-info/|\.pyc$", path):
            yield path, file.read_binary()


def _record(files: Mapping[str, bytes], info: str) -> bytes:
    lines = [f"{info}/RECORD,,"]
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        lines.append(f"{path},sha256={digest},{len(content)}")
    return "\n".join(lines).encode()
