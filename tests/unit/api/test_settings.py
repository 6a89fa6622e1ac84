"""Settings: from the environment, checked, and all of them documented."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from wegent_api.settings import Settings

API_PAGE = Path(__file__).parents[3] / "docs" / "api.md"


def test_the_environment_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEGENT_API_PORT", "9000")
    monkeypatch.setenv("WEGENT_API_REGISTRATION_OPEN", "false")
    settings = Settings()
    assert (settings.port, settings.registration_open) == (9000, False)
    assert settings.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "70000"),
        ("ACCOUNTS_NAMESPACE", "../x"),
        ("TOKEN_LIFETIME_S", "599"),
        ("PASSWORD_MIN_CHARS", "200"),
        ("HASHES_AT_ONCE", "0"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"WEGENT_API_{name}", value)
    with pytest.raises(ValidationError):
        Settings()


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_each_is_documented_with_its_default(name: str) -> None:
    rows = [line for line in API_PAGE.read_text().splitlines() if line.startswith("| `WEGENT_API_")]
    [row] = [line for line in rows if f"`WEGENT_API_{name.upper()}`" in line]
    default = Settings.model_fields[name].default
    shown = {True: "true", False: "false", None: "", "": ""}.get(default, str(default))
    assert row.split("|")[2].strip().strip("`") == shown
