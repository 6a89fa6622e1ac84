"""A reader of a transcript sees the definitions of the objects that they may get, and no others."""

from typing import Any

from wegent_api.runs.definitions import hide, places_of

OURS, THEIRS, BOT = "1" * 64, "2" * 64, "3" * 64


def used(kind: str, namespace: str, hash_: str) -> dict[str, Any]:
    return {"kind": kind, "namespace": namespace, "name": "n", "hash": hash_}


def transcript(*objects: dict[str, Any]) -> dict[str, Any]:
    specs: dict[str, Any] = {it: {"text": it} for it in (OURS, THEIRS, BOT)}
    return {"ran": [{"attempt": 1, "objects": list(objects)}], "definitions": specs}


def reasons(body: dict[str, Any]) -> list[str]:
    return [it.get("notShown", "") for record in body["ran"] for it in record["objects"]]


def test_a_definition_of_a_place_that_the_reader_may_not_read_is_not_shown() -> None:
    body = transcript(
        used("Bot", "ours", BOT), used("Ghost", "ours", OURS), used("Ghost", "theirs", THEIRS)
    )
    assert places_of(body) == [("Bot", "ours"), ("Ghost", "ours"), ("Ghost", "theirs")]
    hide(body, {("Bot", "ours"): True, ("Ghost", "ours"): True, ("Ghost", "theirs"): False})
    assert body["definitions"] == {BOT: {"text": BOT}, OURS: {"text": OURS}}
    assert reasons(body) == ["", "", "you may not get ghosts in the namespace theirs"]


def test_a_definition_that_no_object_has_is_not_shown() -> None:
    body = transcript(used("Ghost", "ours", OURS))
    hide(body, {("Ghost", "ours"): True})
    assert list(body["definitions"]) == [OURS]


def test_a_definition_of_two_objects_is_shown_to_a_reader_of_one() -> None:
    body = transcript(used("Ghost", "ours", OURS), used("Ghost", "theirs", OURS))
    hide(body, {("Ghost", "ours"): True, ("Ghost", "theirs"): False})
    assert list(body["definitions"]) == [OURS]
    assert reasons(body) == ["", "you may not get ghosts in the namespace theirs"]


def test_a_place_without_a_review_is_not_shown() -> None:
    body = transcript(used("Ghost", "ours", OURS))
    hide(body, {})
    assert body["definitions"] == {}
    assert "parameter hash" in reasons(body)[0]


def test_a_definition_that_was_left_out_says_how_to_get_it() -> None:
    absent = used("Skill", "ours", "4" * 64)
    body = transcript(absent)
    assert places_of(body) == []
    hide(body, {})
    assert "parameter hash" in reasons(body)[0]
    one = transcript(used("Ghost", "ours", OURS), dict(absent) | {"notShown": ""})
    hide(one, {("Ghost", "ours"): True}, alone=True)
    assert reasons(one) == ["", ""], "the others were not requested"


def test_a_kind_that_the_proxy_does_not_know_is_not_shown() -> None:
    body = transcript(used("Spell", "ours", OURS))
    hide(body, {("Spell", "ours"): False})
    assert body["definitions"] == {}
