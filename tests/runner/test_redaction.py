"""A key is struck out of a provider's text, however the text is cut."""

import random
from itertools import pairwise

import pytest

from wegent_runner.engine.redaction import Redactor, has_piece, struck

KEY = "sk-sk-secret"


def pieces_of(text: str, cuts: list[int]) -> list[str]:
    places = [0, *sorted(cuts), len(text)]
    return [text[begin:end] for begin, end in pairwise(places)]


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        f"Bearer {KEY}.",
        f"{KEY}{KEY}",
        f"sk-{KEY}",
        f"{KEY[:-1]}{KEY}",
        f"the end is the beginning: {KEY[:-1]}",
        "nothing to hide: sk-sk-sk-",
        "",
    ],
)
def test_however_it_is_cut(text: str) -> None:
    chance = random.Random(text)
    for _ in range(200):
        cuts = [chance.randint(0, len(text)) for _ in range(chance.randint(0, len(text)))]
        redactor = Redactor(KEY)
        shown = "".join(map(redactor.feed, pieces_of(text, cuts))) + redactor.flush()
        assert shown == struck(text, KEY)
        assert KEY not in shown


def test_only_the_possible_beginning_of_a_key_is_held_back() -> None:
    redactor = Redactor(KEY)
    assert redactor.feed("The task ") == "The task "
    assert redactor.feed("was") == "wa"
    assert redactor.feed(" done") == "s done"


@pytest.mark.parametrize("secret", [None, "", "none", "short12"])
def test_placeholders_are_text(secret: str | None) -> None:
    redactor = Redactor(secret)
    text = "none of the short12 words is secret"
    assert redactor.feed(text) + redactor.flush() == text
    assert struck(text, secret) == text


@pytest.mark.parametrize(
    ("text", "has"),
    [
        (f"Incorrect API key: {KEY[:6]}***.", True),
        (f"Incorrect API key: ***{KEY[-4:]}.", True),
        (f"Incorrect API key: ***{KEY[-3:]}.", False),
        ("Project p has no access to the model.", False),
        ("", False),
    ],
)
def test_a_piece_of_the_key_is_found(text: str, has: bool) -> None:  # noqa: FBT001
    assert has_piece(text, KEY) is has
    assert not has_piece(text, None)
    assert not has_piece(text, KEY[:7])
