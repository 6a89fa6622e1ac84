"""YAML bodies: their meaning, and refusals before any cost."""

import contextlib
import time
from typing import Any

import pytest

from wegent_api.http.errors import BadRequest
from wegent_api.http.yaml import MAX_DEPTH, MAX_NODES, documents_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1\nb: [x, {c: null}]", {"a": 1, "b": ["x", {"c": None}]}),
        ('{"json": ["is", "YAML", 1.5, true, null]}', {"json": ["is", "YAML", 1.5, True, None]}),
        ("prompt: |\n  two\n  lines\n", {"prompt": "two\nlines\n"}),
        ("a: {b: {c: []}}", {"a": {"b": {"c": []}}}),
        ("- - 1\n  - 2\n- 3", [[1, 2], 3]),
        ("1: one\ntrue: two\non: three", {"1": "one", "true": "two", "on": "three"}),
        ("a: !!str 1", {"a": "1"}),
        ("a: ! 1", {"a": "1"}),
        ("a: !!map {b: !!seq [c]}", {"a": {"b": ["c"]}}),
        ("text", "text"),
        ('a: "\\u00e9😀"', {"a": "é😀"}),
    ],
)
def test_values(text: str, value: Any) -> None:
    assert documents_of(text.encode()) == [value]


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("yes", True), ("On", True), ("n", False), ("OFF", False), ("~", None), ("", None),
        ('"yes"', "yes"), ("'1'", "1"), ("yEs", "yEs"),
        ("0", 0), ("-17", -17), ("+1", 1), ("1_000", 1000), ("0x1F", 31), ("0o17", 15),
        ("017", 15), ("0b101", 5), ("089", 89), ("1.50", 1.5), (".5", 0.5), ("1e3", 1000),
        ("18446744073709551615", 2**64 - 1), ("18446744073709551616", 2.0**64),
        ("12:30", "12:30"), ("2001-12-14", "2001-12-14"), ("1.2.3", "1.2.3"), ("=", "="),
        ("2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00"), ("0x", "0x"),
        ("_1", "_1"), ("1.0", 1),
        ("9" * 100, 1e100), ("0b" + "1" * 64, 2**64 - 1), ("0b" + "1" * 65, "0b" + "1" * 65),
    ],
)  # fmt: skip
def test_plain_scalars_are_what_they_are_to_kubectl(scalar: str, value: Any) -> None:
    [document] = documents_of(f"a: {scalar}".encode())
    assert document == {"a": value}
    assert type(document["a"]) is type(value)


def test_documents() -> None:
    stream = b"# nothing\n---\n---\na: 1\n...\n---\n# a comment\n---\n[2]\n---\nnull\n"
    assert documents_of(stream) == [{"a": 1}, [2]]
    assert documents_of(b"") == []


@pytest.mark.parametrize("line", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "stream",
    [
        "\ufeffa: 1\n---\nb: 2\n",
        "a: 1\n---\n\ufeffb: 2\n",
        "\ufeffa: 1\n--- # the second\n\ufeffb: 2\n",
        "a: 1\n\ufeff---\nb: 2\n",
        "a: 1\n---\n# a comment\n\n\ufeff# another\nb: 2\n",
        "a: 1\n...\n\ufeff---\nb: 2\n",
        "\ufeff---\n\ufeffa: 1\n---\n---\n\ufeff---\nb: 2\n\ufeff---",
    ],
)
def test_a_document_may_begin_with_a_byte_order_mark(stream: str, line: str) -> None:
    assert documents_of(stream.replace("\n", line).encode()) == [{"a": 1}, {"b": 2}]


def test_a_byte_order_mark_in_text_stays() -> None:
    stream = "a: |\n  ---\n  \ufeffb\nc: '\ufeff---'\n"
    assert documents_of(stream.encode()) == [{"a": "---\n\ufeffb\n", "c": "\ufeff---"}]


def test_many_documents_without_a_mark_take_linear_time() -> None:
    started = time.monotonic()
    assert documents_of(b"---\n\n # c\n" * 50_000 + "# \ufeff".encode()) == []
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: &x 1\nb: *x", "anchors and aliases are not allowed: line 1 column 4"),
        ("a: &x {b: *x}", "anchors and aliases are not allowed: line 1 column 4"),
        ("a: *x", "anchors and aliases are not allowed"),
        ("&x a: 1", "anchors and aliases are not allowed"),
        ("b: 1\na: 1\nb: 2", 'the duplicate key "b" in an object: line 3 column 1'),
        ("<<: {a: 1}", "merge keys are not allowed"),
        ("? [a]\n: 1", "keys must be strings"),
        ("a: !!binary aGk=", "tags are not allowed: line 1 column 4"),
        ("a: !!python/object:os.system {}", "tags are not allowed"),
        ("!!set {a}", "tags are not allowed"),
        ("a: !own x", "tags are not allowed"),
        ("a: .inf", "infinity and NaN are not allowed"),
        ("a: -.INF", "infinity and NaN are not allowed"),
        ("a: .NaN", "infinity and NaN are not allowed"),
        ("a: 1e999", "a number is out of range"),
        ("%YAML 1.1\n---\na: 1", "directives (lines with %) are not allowed"),
        ("a: [1, 2", "not valid YAML: did not find expected ',' or ']': line 2 column 1"),
        ("a: b: c", "not valid YAML: mapping values are not allowed in this context"),
        ("a:\n\t- b", "not valid YAML"),
        ("a: '\x01'", "not valid YAML: it has characters that are not allowed"),
        ('a: "\\ud800"', "not valid YAML"),
        ("[" * 65, f"too many nested levels: the limit is {MAX_DEPTH}"),
        ("- " * 65, f"too many nested levels: the limit is {MAX_DEPTH}"),
        ("[" + "1," * MAX_NODES + "]", f"too many values: the limit is {MAX_NODES}"),
    ],
)
def test_what_is_not_taken(text: str, says: str) -> None:
    with pytest.raises(BadRequest) as refused:
        documents_of(text.encode())
    assert says in str(refused.value)


def test_other_encodings() -> None:
    for raw in ("a: ü".encode("latin-1"), "a: 1".encode("utf-16")):
        with pytest.raises(BadRequest, match="not valid UTF-8"):
            documents_of(raw)


HOSTILE = {
    "open lists": "[" * 1_500_000,
    "open maps": "{a: " * 375_000,
    "block lists": "- " * 750_000,
    "complex keys": "? " * 750_000,
    "directives": "".join(f"%TAG !a{index}! tag:x\n" for index in range(60_000)) + "--- 1",
    "tags": "!<" * 750_000,
    "many values": "[" * 50 + "a," * 700_000,
    "many documents": "---\n" * 375_000,
    "quotes": "'" * 1_500_000,
    "digits": "a: " + "9" * 1_500_000,
    "laughs": "a: &a [x,x,x]\n" + "".join(f"b{i}: &b{i} [*a,*a,*a]\n" for i in range(9)),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_it_takes_no_longer_than_it_may(text: str) -> None:
    started = time.process_time()
    with contextlib.suppress(BadRequest):
        documents_of(text.encode())
    assert time.process_time() - started < 5
