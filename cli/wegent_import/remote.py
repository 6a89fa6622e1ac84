"""Reading a running Wegent over its public REST API, with a user's token."""

import time
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx

from wegent_crds.reading import items, mapping
from wegent_import.documents import DEFAULT_NAMESPACE, Document, of_value
from wegent_import.notes import Note, NoteKind
from wegent_import.packages import PackageError, package_of_zip, with_package
from wegent_import.secrets import is_sendable
from wegent_import.values import first
from wegent_sdk.addresses import is_loopback
from wegent_sdk.plain import scalar_text

TIMEOUT_S: Final = 30.0
MAX_BYTES: Final = 64 << 20
"""Of one answer."""
MAX_TOTAL_BYTES: Final = 1 << 30
"""Of all answers."""
ANSWER_WITHIN_S: Final = 4 * TIMEOUT_S
"""Time for a whole answer, however slowly it comes."""
PAGE: Final = 100
MAX_PAGES: Final = 1000
PLURALS: Final = ("ghosts", "models", "shells", "bots", "teams", "workspaces", "tasks")
SKILLS: Final = "/api/v1/kinds/skills"


class RemoteError(Exception):
    """Wegent can't be read. The message names the address and the remedy."""


class TokenRefusedError(RemoteError):
    """Wegent refuses the token."""


class Remote:
    """A Wegent with its address and a token.

    Args:
        url: Address, with or without ``/api``.
        token: Token of a user. Its owner's objects, and those of the owner's groups, are read.
        answer_within_s: Time for each answer, in seconds.
        total_bytes: Size of all answers together.

    Raises:
        RemoteError: the address or the token is not usable.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        answer_within_s: float = ANSWER_WITHIN_S,
        total_bytes: int = MAX_TOTAL_BYTES,
    ) -> None:
        self._url = checked(url)
        if not is_sendable(token):
            raise TokenRefusedError("the token has characters that no token has; copy it again")
        self._answer_within_s = answer_within_s
        self._total_bytes = total_bytes
        self._total = 0
        self._notes: list[Note] = []
        self._http = httpx.Client(
            base_url=self._url,
            headers={
                # A compressed answer could be much larger than what was read.
                "Accept-Encoding": "identity",
                **({"Authorization": f"Bearer {token}"} if token else {}),
            },
            timeout=TIMEOUT_S,
            follow_redirects=False,
        )

    def read(self) -> tuple[list[Document], list[Note]]:
        """Return the documents of the user and of the user's groups.

        Raises:
            RemoteError: a request failed. Nothing is returned then.
        """
        with self._http:
            documents = list(self._documents())
        message = "public objects are not listed; import Wegent's own YAML files for them"
        self._notes.append(Note(self._url, "", NoteKind.TODO, message))
        return documents, self._notes

    def _documents(self) -> Iterator[Document]:
        for namespace in [DEFAULT_NAMESPACE, *self._groups()]:
            for plural in PLURALS:
                source = f"{namespace}/{plural}"
                path = f"/api/v1/namespaces/{quote(namespace)}/{plural}"
                yield from self._found(self._json(path), source)
            yield from self._skills(namespace)

    def _found(self, value: Any, source: str) -> list[Document]:
        documents, notes = of_value(value, source)
        self._notes += notes
        return documents

    def _skills(self, namespace: str) -> Iterator[Document]:
        for page in range(MAX_PAGES):
            params = {"namespace": namespace, "skip": str(page * PAGE), "limit": str(PAGE)}
            value = self._json(SKILLS, params)
            found = self._found(value, f"{namespace}/skills")
            for document in found:
                yield self._with_package(document, namespace)
            if len(items(mapping(value).get("items"))) < PAGE:
                return

    def _with_package(self, document: Document, namespace: str) -> Document:
        metadata = mapping(document.body.get("metadata"))
        number = scalar_text(mapping(metadata.get("labels")).get("id") or metadata.get("id"))
        if not number.isdecimal():
            return document
        try:
            raw = self._bytes(f"{SKILLS}/{number}/download", {"namespace": namespace})
            package = package_of_zip(raw)
        except (RemoteError, PackageError) as error:
            note = Note(document.label, "package", NoteKind.LOST, f"can't be read: {error}")
            self._notes.append(note)
            return document
        self._notes += package.notes(document.label)
        return with_package(document, package)

    def _groups(self) -> list[str]:
        names: list[str] = []
        for page in range(1, MAX_PAGES):
            value = self._json("/api/groups", {"page": str(page), "limit": str(PAGE)})
            listed = items(first(mapping(value), "items", "groups", "data"))
            names += [name for it in listed if (name := scalar_text(mapping(it).get("name")))]
            if len(listed) < PAGE:
                break
        return [it for it in dict.fromkeys(names) if it != DEFAULT_NAMESPACE]

    def _json(self, path: str, params: dict[str, str] | None = None) -> Any:
        raw = self._bytes(path, params)
        try:
            return httpx.Response(200, content=raw).json()
        except (ValueError, RecursionError):
            raise RemoteError(
                f"{self._url}{path} answers without JSON; is this the address of Wegent's API?"
            ) from None

    def _bytes(self, path: str, params: dict[str, str] | None = None) -> bytes:
        deadline = time.monotonic() + self._answer_within_s
        try:
            with self._http.stream("GET", path, params=params) as answer:
                self._check(answer, path)
                raw = bytearray()
                for chunk in answer.iter_raw():
                    raw += chunk
                    self._total += len(chunk)
                    self._bounds(path, len(raw), deadline)
                return bytes(raw)
        except httpx.HTTPError as error:
            kind = type(error).__name__
            raise RemoteError(f"{self._url} can't be reached ({kind}); check --from") from None

    def _bounds(self, path: str, size: int, deadline: float) -> None:
        if size > MAX_BYTES:
            limit = f"{MAX_BYTES >> 20} MiB"
            raise RemoteError(f"{self._url}{path}: the answer is larger than {limit}")
        if self._total > self._total_bytes:
            limit = f"{self._total_bytes >> 20} MiB"
            raise RemoteError(f"{self._url}: all answers together are larger than {limit}")
        if time.monotonic() > deadline:
            raise RemoteError(
                f"{self._url}{path}: the answer was not complete within"
                f" {self._answer_within_s:g} seconds; try again"
            )

    def _check(self, answer: httpx.Response, path: str) -> None:
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise TokenRefusedError(
                f"{self._url} refuses the token; log in to Wegent for another one"
            )
        if not answer.is_success:
            raise RemoteError(f"{self._url}{path} answers with the status {answer.status_code}")
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise RemoteError(f"{self._url}{path} compresses its answer, which no request asks for")


def checked(url: str) -> str:
    """Return the base URL of Wegent's API. A token goes over ``http`` only to this machine.

    Raises:
        RemoteError: the text is not such a URL.
    """
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise RemoteError("--from: not a URL, such as https://wegent.example.com") from None
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.username:
        raise RemoteError("--from: not the address of an API, such as https://wegent.example.com")
    if parts.scheme == "http" and not is_loopback(host):
        raise RemoteError("--from: http would show the token to the network; use https")
    path = parts.path.rstrip("/").removesuffix("/v1").removesuffix("/api")
    return f"{parts.scheme}://{parts.netloc}{path}"
