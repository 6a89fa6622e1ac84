"""The first admin's password is checked before any request to the API server."""

from pathlib import Path

import pytest

from wegent_api.accounts.first_admin import PasswordError, read_password


def test_a_password_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("correct-horse-battery\n", encoding="utf-8")
    assert read_password(file, 12) == "correct-horse-battery"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file"),
        (b"short\n", "shorter than 12 characters"),
        (b"\xff" * 12, "can't decode"),
    ],
)
def test_without_a_password_there_is_a_reason(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(PasswordError, match=why):
        read_password(file, 12)
