"""The quota of a user's namespace: the notation of counts, and the kinds left out."""

import logging

import pytest

from wegent_operator.accounts.quota import (
    AGAIN_AFTER_S,
    FAULTY_AFTER,
    LEFT_OUT_S,
    TRIES,
    Counted,
    Pauses,
    counted,
    quantity,
    uncounted,
)


class Clock:
    """A clock in seconds that a test advances."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("count", "written"),
    [
        *((0, "0"), (1, "1"), (999, "999"), (1000, "1k"), (1500, "1500"), (20_000, "20k")),
        *((3_000_000, "3M"), (3_000_001, "3000001"), (10**9, "1G"), (10**12, "1T")),
    ],
)
def test_a_count_is_written_as_it_is_stored(count: int, written: str) -> None:
    assert quantity(count) == written


def test_how_far_a_quota_is_counted() -> None:
    hard = {"count/a": "1", "count/b": "1"}
    new = {"spec": {"hard": hard}}
    assert counted(new) is Counted.NOT_YET
    partly = {**new, "status": {"hard": hard, "used": {"count/a": "0"}}}
    assert counted(partly) is Counted.IN_PART
    assert uncounted(partly) == {"count/b"}
    whole = {**new, "status": {"hard": hard, "used": dict.fromkeys(hard, "0")}}
    assert counted(whole) is Counted.WHOLLY


def test_a_resource_that_stays_unknown_is_left_out_for_a_while_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    pauses = Pauses(clock)
    for number in range(TRIES - 1):
        assert bool(pauses.faulty("home")) is (number >= FAULTY_AFTER)
        assert pauses.begin("home", ["count/ghost"]) == AGAIN_AFTER_S
        assert pauses.left_s("home") == AGAIN_AFTER_S
        assert pauses.unknown("home") == {"count/ghost"}
        clock.now += AGAIN_AFTER_S
        assert pauses.left_s("home") == 0
        assert not pauses.left_out()
    with caplog.at_level(logging.WARNING):
        assert pauses.begin("home", ["count/ghost"]) == 0
        assert pauses.begin("home", ["count/ghost"]) == 0
    assert pauses.left_s("home") == 0
    assert pauses.left_out() == {"count/ghost"}
    pauses.over("home")
    assert pauses.faulty("home") == {"count/ghost"}, "counted without it"
    [record] = caplog.records
    assert "does not count count/ghost" in record.getMessage()
    clock.now += LEFT_OUT_S
    assert not pauses.left_out(), "it is tried again"
    assert pauses.faulty("home") == {"count/ghost"}
    pauses.over("home")
    assert not pauses.faulty("home")
    with caplog.at_level(logging.WARNING):
        assert pauses.begin("another", ["count/ghost"]) == 0
    assert pauses.left_out() == {"count/ghost"}
    assert len(caplog.records) == 1


def test_the_tries_are_those_of_one_quota() -> None:
    pauses = Pauses(Clock())
    for _ in range(TRIES):
        assert pauses.begin("home", ["count/ghost"]) == AGAIN_AFTER_S
        pauses.over("home")
    assert not pauses.left_out()
