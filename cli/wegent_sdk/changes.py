"""Changes of objects: as the servers send them, and as the caller has to learn of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from wegent_sdk.errors import NotWegent, WegentError, decoded, refusal
from wegent_sdk.raw import Body
from wegent_sdk.sse import Lines, SseDecoder, StreamTooLong

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WatchEvent(Generic[T]):
    """A change of an object.

    Attributes:
        type: the change; existing objects are ADDED at the beginning.
        object: the object after the change; of a deletion, its last known state.
    """

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    object: T


@dataclass(slots=True)
class Known:
    """The state that the caller knows, by which a list is compared after a gap.

    Attributes:
        version: version to continue from; empty while the existing objects are read.
    """

    version: str = ""
    _objects: dict[tuple[str, str], Body] = field(default_factory=dict)
    _listed: set[tuple[str, str]] = field(default_factory=set)

    def begin(self) -> None:
        """Begin to read the existing objects, again."""
        self.version = ""
        self._listed = set()

    def listed(self, body: Body) -> Iterator[WatchEvent[Body]]:
        """Yield the change that an existing object is."""
        self._listed.add(_key(body))
        yield from self.changed(body)

    def end(self) -> Iterator[WatchEvent[Body]]:
        """Yield the deletions: objects that were known, and are not among the existing ones."""
        for key in [key for key in self._objects if key not in self._listed]:
            yield WatchEvent("DELETED", self._objects.pop(key))

    def changed(self, body: Body) -> Iterator[WatchEvent[Body]]:
        """Yield the change to an object, unless it is known already."""
        before = self._objects.get(_key(body))
        self._objects[_key(body)] = body
        if before is None or _metadata(before).get("uid") != _metadata(body).get("uid"):
            if before is not None:
                yield WatchEvent("DELETED", before)
            yield WatchEvent("ADDED", body)
        elif version_of(before) != version_of(body):
            yield WatchEvent("MODIFIED", body)

    def deleted(self, body: Body) -> Iterator[WatchEvent[Body]]:
        """Yield the deletion of an object, unless it is known already."""
        if self._objects.pop(_key(body), None) is not None:
            yield WatchEvent("DELETED", body)

    def take(self, type_: str, body: Body) -> Iterator[WatchEvent[Body]]:
        """Yield the changes of one event of the server."""
        if type_ == "BOOKMARK":
            yield from () if self.version else self.end()
        elif not self.version:  # among the existing objects
            yield from self.listed(body)
        elif type_ == "DELETED":
            yield from self.deleted(body)
        else:
            yield from self.changed(body)


Change = tuple[str, Body, str]
"""Type of the change, the object, and the version to continue from; empty if there is none."""


class SseChanges:
    """The changes in Server-Sent Events of the REST API."""

    def __init__(self, url: str) -> None:
        self._decoder = SseDecoder()
        self._url = url

    def feed(self, piece: bytes) -> Iterator[Change]:
        """Yield the changes that are complete with ``piece``.

        Raises:
            Expired: the version is too old.
            WegentError: the server ends the watch, or sends something else.
        """
        for event in bounded(self._decoder.feed(piece), self._url):
            body = object_in(event.data.encode(), self._url)
            if event.type == "ERROR":
                raise status_error(body, self._url)
            yield event.type, body, event.id or ""


class LineChanges:
    """The changes in lines of the Kubernetes API."""

    def __init__(self, url: str) -> None:
        self._lines = Lines()
        self._url = url

    def feed(self, piece: bytes) -> Iterator[Change]:
        """As `SseChanges.feed`."""
        for line in bounded(self._lines.feed(piece), self._url):
            event = object_in(line, self._url)
            body = event.get("object")
            if not isinstance(body, dict):
                raise NotWegent(f"{self._url} sends a change without an object", url=self._url)
            if event.get("type") == "ERROR":
                raise status_error(body, self._url)
            yield str(event.get("type")), body, version_of(body)


def bounded(items: Iterator[T], url: str) -> Iterator[T]:
    """Yield items of a decoder.

    Raises:
        NotWegent: one is too long.
    """
    try:
        yield from items
    except StreamTooLong as error:
        raise NotWegent(f"{url} sends an event that is too long: {error}", url=url) from error


def status_error(body: Body, url: str) -> WegentError:
    """Return the error for a ``Status`` within a stream."""
    code = body.get("code")
    return refusal(code if isinstance(code, int) else 500, body, {}, url)


def object_in(data: bytes, url: str) -> Body:
    """Return the JSON object of an event.

    Raises:
        NotWegent: it has none.
    """
    try:
        body = decoded(data)
    except ValueError as error:
        raise NotWegent(f"{url} sends an event that is not JSON", url=url) from error
    if not isinstance(body, dict):
        raise NotWegent(f"{url} sends an event that is no object", url=url)
    return body


def _metadata(body: Body) -> Mapping[str, Any]:
    metadata = body.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def version_of(body: Body) -> str:
    """Return the version of an object or a list; empty if it has none."""
    return str(_metadata(body).get("resourceVersion") or "")


def _key(body: Body) -> tuple[str, str]:
    metadata = _metadata(body)
    return str(metadata.get("namespace") or ""), str(metadata.get("name") or "")
