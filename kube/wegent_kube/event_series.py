"""Decides whether a story becomes a new Event, or increases the count of an existing one.

The rules are those of client-go's ``EventCorrelator``, so that an object that flaps costs no
more than with any other controller:

- Equal stories share one Event with a count.
- Of more than ten stories that differ only in their note, the rest share one Event too.
- Each object may have 25 Events, then one more every five minutes.

The memory is bounded. The least recently used entries are dropped first. A story that was
dropped starts a new Event.
"""

import uuid
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from wegent_kube.resources import EVENTS

MAX_NOTE_BYTES: Final = 1024
"""The API server's own bound."""
MAX_INSTANCE: Final = 128
"""Characters of ``reportingInstance``: the API server's own bound. A host's name may have 253."""
CUT: Final = "..."
"""End of a note that was cut."""
MAX_NAME: Final = 200
"""Characters of the object's name within an Event's."""
MAX_REMEMBERED: Final = 4096
"""Series, and objects; as client-go. With notes of full length some 8 MiB."""
BURST: Final = 25
"""Events of one object that are posted at once; as client-go."""
REFILL_S: Final = 300.0
"""Seconds after which an object may have one more; as client-go."""
MAX_SIMILAR: Final = 10
"""Notes of one reason that are told apart; as client-go."""
SIMILAR_S: Final = 600.0
"""Seconds of silence after which the notes of a reason are told apart again; as client-go."""
COMBINED: Final = "(combined from similar events): "

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Subject:
    """The object that an Event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    version: str
    """``metadata.resourceVersion``."""


@dataclass(frozen=True, slots=True)
class Story:
    """The content of one Event."""

    action: str
    reason: str
    note: str
    normal: bool
    """True for an Event of type Normal, False for a Warning."""


@dataclass(slots=True)
class Series:
    """One Event, and how often it has been told."""

    subject: Subject
    """The object as it was when the first of these stories was told."""
    story: Story
    first: datetime
    last: datetime
    count: int = 0
    stored: bool = False
    """True once the API server has stored the Event."""
    name: str = ""

    def __post_init__(self) -> None:
        """Name the Event as client-go names its own: the object, a dot, something unique."""
        self.name = f"{self.subject.name[:MAX_NAME].rstrip('-.')}.{uuid.uuid4().hex}"

    def changes(self) -> dict[str, Any]:
        """Return the fields that a repeat changes, as a merge patch."""
        changes: dict[str, Any] = {
            "message": self.story.note,
            "lastTimestamp": self.last.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "count": self.count,
        }
        if self.count > 1:
            changes["series"] = {"count": self.count, "lastObservedTime": _micros(self.last)}
        return changes

    def body(self, component: str, instance: str) -> dict[str, Any]:
        """Return the Event as a program reports it.

        It has the times and counts of both forms of Events. It belongs to the core group, because
        ``kubectl describe`` sorts by ``lastTimestamp``, which ``events.k8s.io/v1`` refuses.
        """
        subject = self.subject
        return {
            "apiVersion": EVENTS.api_version,
            "kind": "Event",
            "metadata": {"name": self.name, "namespace": subject.namespace},
            "eventTime": _micros(self.first),
            "firstTimestamp": self.first.isoformat(timespec="seconds").replace("+00:00", "Z"),
            **self.changes(),
            "source": {"component": component},
            "reportingComponent": component,
            "reportingInstance": instance[:MAX_INSTANCE],
            "action": self.story.action,
            "reason": self.story.reason,
            "type": "Normal" if self.story.normal else "Warning",
            "involvedObject": {
                "apiVersion": subject.api_version,
                "kind": subject.kind,
                "namespace": subject.namespace,
                "name": subject.name,
                "uid": subject.uid,
                "resourceVersion": subject.version,
            },
        }


@dataclass(slots=True)
class _Similar:
    """Recent notes of one object and reason."""

    last: datetime
    notes: set[int] = field(default_factory=set)
    """Hashes of the notes; a note itself may have a kilobyte."""


@dataclass(slots=True)
class _Budget:
    """Events that an object may still have."""

    since: datetime
    left: float = float(BURST)

    def take(self, now: datetime) -> bool:
        """Take one Event from the budget; return False if there is none."""
        elapsed_s = max((now - self.since).total_seconds(), 0.0)
        self.since = now
        self.left = min(self.left + elapsed_s / REFILL_S, float(BURST))
        if self.left < 1:
            return False
        self.left -= 1
        return True


class _Remembered(Generic[_K, _V]):
    """A map that keeps the most recently used values."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[_K, _V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: _K, make: Callable[[], _V]) -> _V:
        """Return the value of ``key``; create it if it isn't stored."""
        if key not in self._values:
            self._values[key] = make()
            if len(self._values) > self._most:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        return self._values[key]


class Correlator:
    """Finds the Event for a story."""

    def __init__(self, most: int = MAX_REMEMBERED) -> None:
        self._series: _Remembered[tuple[Hashable, ...], Series] = _Remembered(most)
        self._similar: _Remembered[tuple[Hashable, ...], _Similar] = _Remembered(most)
        self._budgets: _Remembered[str, _Budget] = _Remembered(most)

    def __len__(self) -> int:
        return len(self._series) + len(self._similar) + len(self._budgets)

    def correlate(self, subject: Subject, story: Story, now: datetime) -> Series | None:
        """Count a story; return its Event, or None if the object has had too many Events."""
        about = (subject.uid, story.action, story.reason, story.normal)
        note = cut(story.note, MAX_NOTE_BYTES)
        told_apart = self._told_apart(about, note, now)
        if not told_apart:
            note = cut(COMBINED + note, MAX_NOTE_BYTES)
        told = Story(story.action, story.reason, note, story.normal)
        key = (*about, note if told_apart else None)
        series = self._series.get(key, lambda: Series(subject, told, now, now))
        series.story = told
        series.count += 1
        series.last = max(series.last, now)
        budget = self._budgets.get(subject.uid, lambda: _Budget(now))
        return series if budget.take(now) else None

    def _told_apart(self, about: tuple[Hashable, ...], note: str, now: datetime) -> bool:
        similar = self._similar.get(about, lambda: _Similar(now))
        if now - similar.last > timedelta(seconds=SIMILAR_S):
            similar.notes.clear()
        similar.last = now
        if hash(note) not in similar.notes and len(similar.notes) >= MAX_SIMILAR:
            return False
        similar.notes.add(hash(note))
        return True


def cut(text: str, most: int) -> str:
    """Return a text of at most ``most`` bytes of UTF-8, with no character cut in half."""
    raw = text.encode(errors="replace")
    if len(raw) <= most:
        return raw.decode()
    return raw[: most - len(CUT)].decode(errors="ignore") + CUT


def _micros(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
