"""Logins: their ends, and what they show."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from wegent_sdk import Login
from wegent_sdk.credentials import Token, TokenFunction, expiry_of

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def jwt(claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.signature"


def test_the_end_of_a_jwt() -> None:
    assert expiry_of(jwt({"exp": NOW.timestamp()})) == NOW
    for other in ("opaque", "a.b.c", jwt([]), jwt({}), jwt({"exp": "x"}), jwt({"exp": 1e300})):
        assert expiry_of(other) is None
        assert Login(other).is_due() is False


def test_a_login_is_due_in_its_last_minutes() -> None:
    login = Login("t", NOW)
    assert [
        (
            login.is_due(NOW - timedelta(minutes=left)),
            login.has_expired(NOW - timedelta(minutes=left)),
        )
        for left in (6, 5, 1, 0, -1)
    ] == [(False, False), (True, False), (True, False), (False, True), (False, True)]
    login.renewable = False
    assert not login.is_due(NOW - timedelta(minutes=1))


@pytest.mark.parametrize(
    "holder", [Login("secret"), Token("secret"), TokenFunction(lambda: "secret")]
)
def test_a_token_is_not_shown(holder: object) -> None:
    assert "secret" not in f"{holder} {holder!r}"


def test_a_renewal_is_handed_on() -> None:
    stored = []
    login = Login("one", NOW, on_renewed=lambda it: stored.append((it.token, it.expires_at)))
    login.replace("two", 60)
    assert stored == [("two", login.expires_at)]
    assert login.expires_at is not None
    assert login.expires_at > datetime.now(UTC)
