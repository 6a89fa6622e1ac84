"""The JSON that is sent to be applied means the same when read as YAML."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from wegent_api.http.yaml import documents_of
from wegent_kube.encoding import encode_yaml

texts = st.text() | st.just("\\U0001f600\\\\ud83d\\\\ude00")
keys = st.text(max_size=128)  # YAML's limit for keys is 1024, escapes included
values = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_json_as_yaml(value: Any) -> None:
    assert documents_of(encode_yaml({"value": value})) == [{"value": value}]


def test_a_backslash_before_a_u_is_no_escape() -> None:
    text = "\\ud83d\\ude00 \\\U0001f600 \x7f\x85\u2028\ufeff\ufffe"
    assert documents_of(encode_yaml([text])) == [[text]]
