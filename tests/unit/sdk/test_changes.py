"""The difference between the known objects and a list, and the decoders of streams."""

from typing import Any

import pytest

from wegent_sdk.changes import Known, LineChanges, SseChanges
from wegent_sdk.errors import Expired, LoginExpired, NotWegent, Unavailable


def body(name: str, version: int, uid: str = "u") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "n", "uid": uid, "resourceVersion": str(version)}
    return {"metadata": metadata}


def of(events: Any) -> list[tuple[str, str, str]]:
    return [
        (it.type, it.object["metadata"]["name"], it.object["metadata"]["resourceVersion"])
        for it in events
    ]


def listed(known: Known, *bodies: dict[str, Any]) -> list[tuple[str, str, str]]:
    known.begin()
    found = [event for it in bodies for event in known.take("ADDED", it)]
    found += known.take("BOOKMARK", {})
    known.version = "9"
    return of(found)


def test_existing_objects_are_added_once() -> None:
    known = Known()
    assert listed(known, body("a", 1), body("b", 2)) == [("ADDED", "a", "1"), ("ADDED", "b", "2")]
    assert listed(known, body("a", 1), body("b", 2)) == []


def test_the_difference_after_a_gap() -> None:
    known = Known()
    listed(known, body("same", 1), body("changed", 2), body("gone", 3), body("again", 4))
    found = listed(known, body("same", 1), body("changed", 5), body("again", 6, "other"))
    assert found == [
        ("MODIFIED", "changed", "5"),
        ("DELETED", "again", "4"),
        ("ADDED", "again", "6"),
        ("DELETED", "gone", "3"),
    ]


def test_changes_are_not_repeated() -> None:
    known = Known()
    listed(known, body("a", 1))
    assert of(known.take("MODIFIED", body("a", 2))) == [("MODIFIED", "a", "2")]
    assert of(known.take("MODIFIED", body("a", 2))) == []
    assert of(known.take("BOOKMARK", {})) == []
    assert of(known.take("DELETED", body("a", 3))) == [("DELETED", "a", "3")]
    assert of(known.take("DELETED", body("a", 3))) == []


def test_a_list_that_was_cut_deletes_nothing() -> None:
    known = Known()
    listed(known, body("a", 1), body("b", 2))
    known.begin()
    assert of(known.take("ADDED", body("b", 2))) == []
    assert listed(known, body("a", 1), body("b", 2)) == []


@pytest.mark.parametrize(
    ("code", "error"), [(410, Expired), (401, LoginExpired), (503, Unavailable), ("x", Unavailable)]
)
def test_an_error_ends_the_watch(code: object, error: type[Exception]) -> None:
    status = f'{{"kind":"Status","code":{code if isinstance(code, int) else 0},"message":"no"}}'
    if not isinstance(code, int):
        status = '{"kind":"Status","code":"x"}'
    with pytest.raises(error):
        list(SseChanges("http://x").feed(f"event: ERROR\nid:\ndata: {status}\n\n".encode()))
    with pytest.raises(error):
        list(LineChanges("http://x").feed(f'{{"type":"ERROR","object":{status}}}\n'.encode()))


@pytest.mark.parametrize("line", ["null", "[]", "{", "[" * 100_000, '{"type":"ADDED"}', "1" * 5000])
def test_garbage_is_none_of_wegents(line: str) -> None:
    with pytest.raises(NotWegent):
        list(LineChanges("http://x").feed(f"{line}\n".encode()))
    if line != '{"type":"ADDED"}':
        with pytest.raises(NotWegent):
            list(SseChanges("http://x").feed(f"event: ADDED\ndata: {line}\n\n".encode()))
