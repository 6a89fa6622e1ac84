"""Settings: from the environment, and checked."""

import pytest
from pydantic import ValidationError

from wegent_api.settings import Settings


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


@pytest.mark.parametrize("value", ["*", "10.0.0.1/8", "ingress", "10.0.0.0/8,*", "x y"])
def test_only_addresses_and_networks_are_believed(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """With ``*``, a client evades the limits by address: it sends a different one each time."""
    monkeypatch.setenv("WEGENT_API_FORWARDED_ALLOW_IPS", value)
    with pytest.raises(ValidationError, match="address or network"):
        Settings()


@pytest.mark.parametrize("value", ["", "127.0.0.1", "10.0.0.0/8, fd00::/8,::1"])
def test_addresses_and_networks(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("WEGENT_API_FORWARDED_ALLOW_IPS", value)
    assert Settings().forwarded_allow_ips == value
