"""The grouping of occurrences into one Event, and an object's maximum of Events."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from wegent_kube.event_series import (
    BURST,
    COMBINED,
    MAX_NOTE_BYTES,
    MAX_SIMILAR,
    REFILL_S,
    SIMILAR_S,
    Correlator,
    Series,
    Story,
    Subject,
    cut,
)

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def bot(name: str) -> Subject:
    return Subject("agent.wecode.io/v1", "Bot", "default", name, uuid.uuid4().hex, "7")


BOT = bot("b")
MISSING = Story(
    "Reconcile", "RefNotFound", "spec.ghostRef: Ghost default/g does not exist", normal=False
)
READY = Story("Reconcile", "Ready", "Bot is ready", normal=True)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def told(series: Series | None) -> Series:
    assert series is not None
    return series


def noted(note: str) -> Story:
    return Story("Reconcile", "RefNotFound", note, normal=False)


def test_the_first_story_is_an_event_with_both_forms_of_time() -> None:
    body = told(Correlator().correlate(BOT, MISSING, NOW)).body("wegent-test", "pod")
    assert body["firstTimestamp"] == body["lastTimestamp"] == "2026-01-31T12:00:00Z"
    assert body["eventTime"] == "2026-01-31T12:00:00.000000Z"
    assert body["count"] == 1
    assert "series" not in body, "a series has at least two"
    assert body["type"] == "Warning"
    assert body["involvedObject"]["uid"] == BOT.uid


def test_an_equal_story_is_the_same_event() -> None:
    correlator = Correlator()
    first = told(correlator.correlate(BOT, MISSING, NOW))
    told(correlator.correlate(BOT, READY, later(1)))
    again = told(correlator.correlate(BOT, MISSING, later(2)))
    assert again is first
    assert again.changes() == {
        "message": MISSING.note,
        "lastTimestamp": "2026-01-31T12:00:02Z",
        "count": 2,
        "series": {"count": 2, "lastObservedTime": "2026-01-31T12:00:02.000000Z"},
    }


def test_another_object_of_the_name_has_events_of_its_own() -> None:
    correlator = Correlator()
    first = told(correlator.correlate(BOT, MISSING, NOW))
    again = told(correlator.correlate(bot("b"), MISSING, NOW))
    assert (again is first, again.count) == (False, 1)


def test_many_notes_of_one_reason_are_combined() -> None:
    correlator = Correlator()
    several = [told(correlator.correlate(BOT, noted(str(n)), NOW)) for n in range(MAX_SIMILAR)]
    assert len({series.name for series in several}) == MAX_SIMILAR
    one = told(correlator.correlate(BOT, noted("eleven"), NOW))
    two = told(correlator.correlate(BOT, noted("twelve"), NOW))
    assert one is two
    assert two.changes()["message"] == COMBINED + "twelve"
    assert told(correlator.correlate(BOT, noted("0"), NOW)) is several[0]
    after = told(correlator.correlate(BOT, noted("thirteen"), later(SIMILAR_S + 1)))
    assert after.changes()["message"] == "thirteen"


def test_an_object_has_a_burst_and_then_one_every_five_minutes() -> None:
    correlator = Correlator()
    results = [correlator.correlate(BOT, MISSING, NOW) for _ in range(BURST + 5)]
    assert [result is not None for result in results] == [True] * BURST + [False] * 5
    other = bot("other")
    assert correlator.correlate(other, MISSING, NOW) is not None, "each object has its own"
    assert correlator.correlate(BOT, MISSING, later(REFILL_S / 2)) is None
    refilled = told(correlator.correlate(BOT, MISSING, later(REFILL_S)))
    assert refilled.count == BURST + 7, "those that weren't posted are counted"
    assert correlator.correlate(BOT, MISSING, later(REFILL_S)) is None


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing() -> None:
    correlator = Correlator()
    for _ in range(BURST):
        correlator.correlate(BOT, MISSING, NOW)
    assert correlator.correlate(BOT, MISSING, later(-10 * REFILL_S)) is None
    assert correlator.correlate(BOT, MISSING, later(-9 * REFILL_S)) is not None


def test_what_is_remembered_is_bounded() -> None:
    correlator = Correlator(8)
    for number in range(100):
        correlator.correlate(bot(f"b{number}"), MISSING, NOW)
    assert len(correlator) == 3 * 8


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("short", 5, "short"),
        ("too long", 7, "too ..."),
        ("中文", 6, "中文"),
        ("中文中", 8, "中..."),
        ("🚀🚀🚀", 11, "🚀🚀..."),
        ("🚀🚀🚀", 10, "🚀..."),
    ],
)
def test_a_note_is_cut_by_bytes_between_characters(text: str, most: int, expected: str) -> None:
    assert cut(text, most) == expected
    assert len(cut(text, most).encode()) <= most


@pytest.mark.parametrize("character", ["x", "é", "中", "🚀"])
def test_no_note_is_longer_than_the_api_server_takes(character: str) -> None:
    correlator = Correlator()
    for number in range(MAX_SIMILAR + 2):
        series = told(correlator.correlate(BOT, noted(f"{number}" + character * 2000), NOW))
        assert MAX_NOTE_BYTES - 8 < len(series.story.note.encode()) <= MAX_NOTE_BYTES
