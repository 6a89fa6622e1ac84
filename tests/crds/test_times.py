"""The API server and the models accept the same times, and parsing one never fails."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.crds.samples import MINIMAL, body
from tests.crds.validation import ApiServer, by_model
from wegent_crds.moments import moment

TIMES = {
    "2026-02-28T23:59:59Z": True,
    "2024-02-29T00:00:00.123456789Z": True,
    "0001-01-01T00:00:00Z": True,
    "9999-12-31T23:59:59Z": True,
    "2026-01-01T00:00:00+14:00": True,
    "2026-01-01T00:00:00-23:59": True,
    "2026-02-29T00:00:00Z": False,
    "2026-02-30T00:00:00Z": False,
    "2026-04-31T00:00:00Z": False,
    "1900-02-29T00:00:00Z": False,
    "0000-01-01T00:00:00Z": False,
    "0001-01-01T00:00:00+01:00": False,
    "9999-12-31T23:59:59-01:00": False,
    "2026-13-01T00:00:00Z": False,
    "2026-01-01T24:00:00Z": False,
    "2026-01-01T00:00:60Z": False,
    "2026-01-01T00:00:00": False,
    "2026-01-01": False,
    "tomorrow": False,
    "": False,
}


@pytest.mark.parametrize("text", TIMES)
async def test_a_time_is_validated_alike(text: str, api_server: ApiServer) -> None:
    given_ = body("tombstones", MINIMAL["tombstones"] | {"expiresAt": text})
    made = await api_server.create("tombstones", given_)
    assert made.accepted is TIMES[text], made.said
    assert by_model("tombstones", given_).accepted is TIMES[text]


@given(st.text() | st.none() | st.integers() | st.datetimes().map(str))
def test_reading_a_time_never_fails(value: object) -> None:
    found = moment(value)
    assert found is None or found.tzinfo is UTC


@pytest.mark.parametrize("text", TIMES)
def test_a_time_that_is_accepted_is_read(text: str) -> None:
    assert not TIMES[text] or isinstance(moment(text), datetime)
