"""The answer to a body that failed: one result for each object, or one for all."""

import pytest

from wegent_api.apply.apply import (
    MAX_OUTSIDE,
    Applied,
    Outcome,
    bound_lookups,
    ends_all,
    level_of,
)
from wegent_api.apply.routes import of_the_whole
from wegent_api.http.errors import (
    BadGateway,
    Invalid,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UpstreamStatus,
)
from wegent_api.http.manifests import Manifest
from wegent_crds.references import ObjectKey
from wegent_crds.registry import BY_PLURAL, KINDS

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


def test_a_gateways_status_ends_an_apply_too() -> None:
    """A gateway before the API server may answer 502 with a ``Status`` of its own."""
    status = {"kind": "Status", "code": 502, "message": "bad gateway"}
    assert ends_all(UpstreamStatus(status, 502, {}))
    assert ends_all(BadGateway("no API server"))
    assert not ends_all(UpstreamStatus({"kind": "Status", "code": 422}, 422, {}))


def test_what_is_referred_to_goes_first() -> None:
    for kind in KINDS:
        for reference in kind.references:
            if reference.to != kind.plural:
                assert level_of(BY_PLURAL[reference.to]) < level_of(kind)


def team(name: str, bots: range) -> Manifest:
    body = {"spec": {"bots": [{"name": f"b{index}"} for index in bots]}}
    return Manifest(BY_PLURAL["teams"], ObjectKey("teams", "default", name), body)


def test_what_is_looked_up_is_bounded() -> None:
    bot = Manifest(BY_PLURAL["bots"], ObjectKey("bots", "default", "b0"), {})
    most = [team(f"t{start}", range(start, start + 64)) for start in range(0, MAX_OUTSIDE, 64)]
    bound_lookups([*most, *most])  # a repetition adds nothing
    bound_lookups([*most, bot, team("one-more", range(MAX_OUTSIDE, MAX_OUTSIDE + 1))])
    with pytest.raises(Invalid, match="validateRefs=false"):
        bound_lookups([*most, team("one-more", range(MAX_OUTSIDE, MAX_OUTSIDE + 1))])
