"""Which answer a body that failed gets: one for each object, or one for all."""

import pytest

from wegent_api.apply import of_the_whole
from wegent_api.applying import Applied, Outcome, level_of
from wegent_api.errors import Invalid, TooManyRequests, Unauthorized, Unavailable
from wegent_crds.kinds import BY_PLURAL, KINDS

DONE = Applied("created", ())
AWAY, BUSY, WRONG, UNKNOWN = (
    Unavailable("away"),
    TooManyRequests("busy"),
    Invalid("wrong"),
    Unauthorized("unknown"),
)


@pytest.mark.parametrize(
    ("outcomes", "whole"),
    [
        ([], None),
        ([DONE], None),
        ([DONE, WRONG], None),
        ([WRONG, WRONG], None),
        ([AWAY], AWAY),
        ([WRONG, BUSY, BUSY], BUSY),
        ([DONE, AWAY], None),
        ([DONE, UNKNOWN], UNKNOWN),
    ],
)
def test_of_the_whole(outcomes: list[Outcome], whole: Outcome | None) -> None:
    assert of_the_whole(outcomes) is whole


def test_what_is_referred_to_goes_first() -> None:
    for kind in KINDS:
        for reference in kind.references:
            assert level_of(BY_PLURAL[reference.to]) < level_of(kind)
