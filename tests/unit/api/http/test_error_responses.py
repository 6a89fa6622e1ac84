"""Errors as ``Status``."""

import json
from typing import Any

import pytest
from fastapi import Response
from pydantic import ValidationError

from wegent_api.accounts.models import AdminRegistration, Credentials
from wegent_api.http.error_responses import internal_error, invalid, problem_response
from wegent_api.http.errors import (
    BadRequest,
    Cause,
    Invalid,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)


def said(response: Response) -> Any:
    return json.loads(bytes(response.body))


def test_a_problem_is_a_status() -> None:
    response = problem_response(Invalid.of([Cause("FieldValueInvalid", "spec.a", "no")], what="X"))
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/json"
    assert said(response) == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "X is invalid: spec.a: no",
        "reason": "Invalid",
        "code": 422,
        "details": {
            "causes": [{"reason": "FieldValueInvalid", "message": "no", "field": "spec.a"}]
        },
    }


def test_when_to_come_again_is_said_twice() -> None:
    for problem in (TooManyRequests("x", retry_after_s=7), Unavailable("x", retry_after_s=7)):
        response = problem_response(problem)
        assert response.headers["retry-after"] == "7"
        assert said(response)["details"] == {"retryAfterSeconds": 7}


def test_a_401_says_how_to_prove_oneself() -> None:
    header = problem_response(Unauthorized("x")).headers["www-authenticate"]
    assert header == 'Bearer realm="wegent"'
    header = problem_response(Unauthorized("x", error="invalid_token")).headers["www-authenticate"]
    assert header == 'Bearer realm="wegent", error="invalid_token"'


def test_a_message_may_quote_anything() -> None:
    body = bytes(problem_response(BadRequest("\ud800 \x00 é")).body)
    assert body.isascii()
    assert json.loads(body)["message"] == "\ud800 \x00 é"


def test_an_unforeseen_error_tells_nothing() -> None:
    assert said(internal_error())["reason"] == "InternalError"


@pytest.mark.parametrize(
    "body",
    [
        {"username": "x", "password": 12345},
        {"username": "x", "password": ["hunter2"]},
        {"username": "hunter2!", "password": "hunter2"},
        {"username": "x", "password": "hunter2", "extra": "hunter2"},
    ],
)
def test_nothing_that_was_sent_comes_back(body: object) -> None:
    with pytest.raises(ValidationError) as raised:
        Credentials.model_validate(body)
    assert "hunter2" not in str(raised.value)
    problem = invalid("Credentials", raised.value)
    assert "hunter2" not in json.dumps(problem.status)
    assert "hunter2" not in str(problem)


def test_places_in_lists_are_written_as_kubernetes_does() -> None:
    with pytest.raises(ValidationError) as raised:
        AdminRegistration.model_validate(
            {
                "username": "x",
                "email": "x@example.com",
                "password": "x",
                "namespaces": [{"name": "a", "role": "viewer"}, {"name": "b", "role": "x"}],
            }
        )
    [cause] = invalid("AdminRegistration", raised.value).causes
    assert (cause.reason, cause.field) == ("FieldValueNotSupported", "namespaces[1].role")


def test_a_password_does_not_show_in_its_model() -> None:
    body = Credentials.model_validate({"username": "x", "password": "hunter2"})
    assert "hunter2" not in repr(body)
    assert "hunter2" not in str(body.model_dump())
