"""The login that the claims of an accepted token state."""

import base64
import json
from typing import Any

import pytest

from wegent_api.accounts.session import LOGIN_AUDIENCE, User, claims_of, session_of
from wegent_api.accounts.store import Account

KNOWN = User("ann", "uid-of-serviceaccount")
CLUSTER = "https://kubernetes.default.svc"


def account(**changes: Any) -> Account:
    fields = {
        "username": "ann",
        "uid": "u",
        "email": "ann@example.com",
        "role": "user",
        "namespaces": (),
        "suspended": False,
        "password_secret": "password-ann-x1",
        **changes,
    }
    return Account(**fields)


def claims(*audiences: str, secret: Any = None, iat: int = 1000) -> dict[str, Any]:
    bound = {"name": "password-ann-x1", "uid": "s"} if secret is None else secret
    return {"aud": [CLUSTER, *audiences], "iat": iat, "kubernetes.io": {"secret": bound}}


def test_a_login_was_when_its_token_was_issued() -> None:
    found = session_of(claims(), KNOWN, account())
    assert found is not None
    assert found.login_at == 1000
    assert found.renewed_audiences == (CLUSTER, f"{LOGIN_AUDIENCE}1000")


def test_a_renewed_token_states_the_time_of_the_login() -> None:
    first = session_of(claims(), KNOWN, account())
    assert first is not None
    renewed = {**claims(iat=5000), "aud": list(first.renewed_audiences)}
    second = session_of(renewed, KNOWN, account())
    assert second is not None
    assert second.login_at == 1000
    assert second.renewed_audiences == first.renewed_audiences


@pytest.mark.parametrize(
    ("token", "changes"),
    [
        (claims(), {"password_secret": "password-ann-x2"}),
        (claims(), {"password_secret": None}),
        (claims(), {"suspended": True}),
        (claims(), {"deleting": True}),
        (claims(secret={"name": "token.ann.laptop", "uid": "t"}), {}),
        (claims(secret={}), {}),
        (claims(secret={}), {"password_secret": None}),
        ({"aud": [CLUSTER], "iat": 1}, {}),
        ({}, {}),
    ],
)
def test_other_tokens_are_no_login(token: dict[str, Any], changes: dict[str, Any]) -> None:
    assert session_of(token, KNOWN, account(**changes)) is None


@pytest.mark.parametrize("token", ["", "opaque", "a.b.c", "a..c", "a.bnVsbA.c", "a.W10.c", "a.b"])
def test_a_token_that_is_no_jwt_has_no_claims(token: str) -> None:
    assert claims_of(token) == {}


@pytest.mark.parametrize("padding", range(4))
def test_claims_are_read_whatever_their_length(padding: int) -> None:
    stated = {"a": "x" * padding}
    payload = base64.urlsafe_b64encode(json.dumps(stated).encode()).decode().rstrip("=")
    assert claims_of(f"header.{payload}.signature") == stated
