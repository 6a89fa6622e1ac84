"""Tasks made for OpenAI's clients."""

import pytest

from wegent_api.openai_api.tasks import TITLE_MAX, _title


@pytest.mark.parametrize(
    ("prompt", "title"),
    [
        ("Say hello.", "Say hello."),
        ("  ", "Untitled"),
        ("word " * 40, "word " * 14 + "word…"),
        ("請" * 200, "請" * (TITLE_MAX - 1) + "…"),
        ("Translate: " + "請" * 200, "Translate: " + "請" * (TITLE_MAX - 12) + "…"),
    ],
    ids=["short", "empty", "words", "no spaces", "one space"],
)
def test_a_title_has_the_beginning_of_the_prompt(prompt: str, title: str) -> None:
    assert _title(prompt) == title
    assert len(title) <= TITLE_MAX
