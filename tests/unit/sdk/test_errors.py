"""Errors from Statuses, and the delays before another attempt."""

import json
from typing import Any

import pytest

from wegent_sdk.api import ATTEMPTS, pause_before, retry_after
from wegent_sdk.errors import (
    AlreadyExists,
    Cause,
    Conflict,
    ConnectionFailed,
    Expired,
    Forbidden,
    Invalid,
    LoginExpired,
    NotFound,
    Refused,
    TooManyRequests,
    Unavailable,
    refusal,
)


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (400, "BadRequest", Invalid),
        (401, "Unauthorized", LoginExpired),
        (403, "Forbidden", Forbidden),
        (404, "NotFound", NotFound),
        (405, "MethodNotAllowed", Refused),
        (409, "AlreadyExists", AlreadyExists),
        (409, "Conflict", Conflict),
        (410, "Expired", Expired),
        (412, "PreconditionFailed", Conflict),
        (422, "Invalid", Invalid),
        (429, "TooManyRequests", TooManyRequests),
        (500, "InternalError", Unavailable),
        (503, "ServiceUnavailable", Unavailable),
    ],
)
def test_each_status_is_one_error(code: int, reason: str, kind: type[Refused]) -> None:
    error = refusal(code, {"message": "no", "reason": reason}, {"x-request-id": "r"}, "http://x/y")
    assert type(error) is kind
    assert (str(error), error.status, error.reason) == ("no", code, reason)
    assert (error.request_id, error.url) == ("r", "http://x/y")


def test_causes() -> None:
    cause = {"field": "spec.x", "message": "is wrong", "reason": "FieldValueInvalid"}
    body: dict[str, Any] = {"message": "no", "details": {"causes": [cause, "odd", {"field": 7}]}}
    found = refusal(422, body, {}, "").causes
    assert found == (Cause("spec.x", "is wrong", "FieldValueInvalid"), Cause("", "", ""))


@pytest.mark.parametrize("body", [{}, {"message": None}, {"message": 7, "details": []}])
def test_a_status_of_odd_form(body: dict[str, Any]) -> None:
    error = refusal(422, body, {}, "")
    assert str(error) == "the server answered 422 without a message"
    assert error.causes == ()


def test_texts_of_servers_are_bounded() -> None:
    cause = {"field": "f" * 9999, "message": "m" * 9999}
    body = {"message": "x" * 10_000_000, "details": {"causes": [cause] * 9999}}
    error = refusal(422, body, {}, "")
    assert len(str(error)) < 5000
    assert len(json.dumps([[it.field, it.message] for it in error.causes])) < 64 * 9000


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("3", 3.0), ("0", 0.0), ("-1", None), ("nan", None), ("inf", None), ("Tue, 1", None)],
)
def test_the_pause_that_a_server_asks_for(header: str, seconds: float | None) -> None:
    error = refusal(429, {}, {"retry-after": header}, "")
    assert isinstance(error, TooManyRequests)
    assert error.retry_after_s == seconds


def test_pauses_grow_and_are_bounded() -> None:
    pauses = [[pause_before(attempt) for _ in range(200)] for attempt in range(1, 12)]
    assert all(0.125 <= it <= 0.375 for it in pauses[0])
    assert max(map(max, pauses)) <= 10.0
    assert sum(pauses[1]) > sum(pauses[0])
    assert len(set(pauses[0])) > 1
    whole = sum(max(pauses[attempt]) for attempt in range(ATTEMPTS - 1))
    assert whole < 3.0


def test_which_failures_are_worth_another_attempt() -> None:
    untrusted = ConnectionFailed("x")
    untrusted.may_pass = False
    assert retry_after(ConnectionFailed("x"), 1) is not None
    assert retry_after(untrusted, 1) is None
    assert retry_after(refusal(503, {}, {"retry-after": "2"}, ""), 1) == 2.0
    assert retry_after(refusal(503, {}, {"retry-after": "60"}, ""), 1) is None
    assert retry_after(refusal(500, {}, {}, ""), 1) is None
    assert retry_after(refusal(404, {}, {}, ""), 1) is None
