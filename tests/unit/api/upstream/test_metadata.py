"""The version is read from an object's beginning, whatever a user has put into the object."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wegent_api.upstream.metadata import event_of, metadata_of, version_of
from wegent_kube.encoding import encode_json

MISLEADING = st.sampled_from(
    ['"metadata":{"resourceVersion":"1"}', '{"apiVersion":"v1","kind":"X","metadata":{', '"}', "\\"]
)
TEXT = st.text(st.characters(codec="utf-8")) | MISLEADING
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["resourceVersion", "metadata", "uid", "a/b"]) | TEXT


def stored(metadata: dict[str, Any], spec: Any) -> dict[str, Any]:
    body = {"apiVersion": "agent.wecode.io/v1", "kind": "Ghost", "metadata": metadata}
    return {**body, "spec": spec}


@given(st.dictionaries(NAMES, TEXT, max_size=4), JSON)
def test_the_version_is_the_objects_own(annotations: dict[str, str], spec: Any) -> None:
    body = stored({"annotations": annotations, "resourceVersion": "4711", "uid": "u"}, spec)
    for order in (body, dict(reversed(body.items()))):
        for ascii_only in (True, False):
            text = json.dumps(order, separators=(",", ":"), ensure_ascii=ascii_only)
            raw = text.encode()
            assert metadata_of(raw + b"\n") == body["metadata"]
            assert version_of(metadata_of(raw)) == "4711"


@given(JSON, JSON)
def test_an_events_object_is_passed_as_it_was_sent(annotations: Any, spec: Any) -> None:
    body = json.dumps(stored({"annotations": annotations}, spec), separators=(",", ":")).encode()
    assert event_of(b'{"type":"MODIFIED","object":' + body + b"}\n") == ("MODIFIED", body)
    spaced = json.dumps({"object": json.loads(body), "type": "ADDED"}).encode()
    assert event_of(spaced) == ("ADDED", encode_json(json.loads(body)))


@pytest.mark.parametrize(
    ("body", "version"),
    [
        (b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success"}', None),
        (b'{"apiVersion":"a/v1","kind":"X","metadata":{"resourceVersion":""}}', None),
        (b'{"apiVersion":"a/v1","kind":"X","metadata":{"resourceVersion":7}}', None),
        (b'{"apiVersion":"a/v1","kind":"X","metadata":null}', None),
        (b'{"metadata":[]}', None),
        (b"[]", None),
        (b'{"kind":"X","metadata":{"resourceVersion":"5"},"apiVersion":"v1"}', "5"),
    ],
)
def test_what_has_no_version(body: bytes, version: str | None) -> None:
    assert version_of(metadata_of(body)) == version


def test_what_is_no_json() -> None:
    for body in (b"", b"{", b'{"apiVersion":"v1","kind":"X","metadata":{"a"', b"\xff"):
        with pytest.raises(ValueError, match=r"\w"):
            metadata_of(body)
