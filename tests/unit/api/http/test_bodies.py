"""Parsing: an accepted body means the same to every reader, and none crashes the parser."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wegent_api.http.bodies import parse
from wegent_api.http.errors import BadRequest

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_json_means_what_it_says(value: Any) -> None:
    assert parse(json.dumps(value).encode()) == value
    assert parse(json.dumps(value, ensure_ascii=False).encode()) == value


@given(
    st.binary(max_size=200) | st.text(alphabet='{}[]",:0123456789.eE+-\\udabnNI').map(str.encode)
)
def test_anything_else_is_a_bad_request(raw: bytes) -> None:
    with contextlib.suppress(BadRequest):  # and no other exception
        assert parse(raw) == json.loads(raw)


@given(st.text(max_size=50))
def test_a_key_is_refused_the_second_time(key: str) -> None:
    member = json.dumps({key: 1})[1:-1]
    with pytest.raises(BadRequest, match="duplicate key"):
        parse(f'{{{member}, "other\\u0000": 2, {member}}}'.encode())


@pytest.mark.parametrize("raw", [b"[" * 50_000, b'{"a":' * 50_000, b"[" * 50_000 + b"]" * 50_000])
def test_depth_is_bounded(raw: bytes) -> None:
    with pytest.raises(BadRequest, match="nested too deeply"):
        parse(raw)
