"""Renders every error as a Kubernetes ``Status``. No other module does.

Answers echo no input except names of fields, because pydantic's ``input`` may be a password. They
say nothing about an unexpected exception.
"""

import http
import logging
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.routing import Match

from wegent_api.http.errors import (
    BadRequest,
    Cause,
    Forbidden,
    Invalid,
    Problem,
    Unavailable,
    status_object,
)
from wegent_api.http.redirects import redirect, without_slash
from wegent_api.http.wording import pydantic_message
from wegent_kube import ApiError, Unreachable
from wegent_kube.content_types import JSON
from wegent_kube.encoding import encode_json

logger = logging.getLogger(__name__)

NO_SUCH_PATH: Final = "path not found; /docs and /openapi.json list the paths"

ACCOUNTS_ARE_FULL: Final = (
    "exceeded quota: the namespace of the Accounts has no room; an admin must delete Accounts that"
    " are not needed, or raise its ResourceQuota (accounts.secrets in the chart)"
)
"""Objects of the proxy's own are there alone. The API server's message has their names."""

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_REASONS: Final = {404: "NotFound", 405: "MethodNotAllowed"}
_CAUSE_REASONS: Final = {
    "missing": "FieldValueRequired",
    "extra_forbidden": "FieldValueForbidden",
    "literal_error": "FieldValueNotSupported",
    "enum": "FieldValueNotSupported",
    "too_long": "FieldValueTooLong",
    "string_too_long": "FieldValueTooLong",
}


def status_response(
    status: Mapping[str, Any], code: int, headers: Mapping[str, str] | None = None
) -> Response:
    """Return ``status`` as a response."""
    return Response(encode_json(status) + b"\n", code, headers, media_type=JSON)


def problem_response(problem: Problem) -> Response:
    """Return the response for ``problem``."""
    headers = dict(problem.headers)
    if problem.retry_after_s is not None:
        headers["Retry-After"] = str(problem.retry_after_s)
    return status_response(problem.status, problem.code, headers)


def pending(message: str, headers: Mapping[str, str]) -> Response:
    """Return the 202 for an operation in progress: a ``Status`` of success."""
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "message": message,
        "code": 202,
    }
    return status_response(status, 202, headers)


def internal_error() -> Response:
    """Return the answer to an unexpected error. The log has the rest, with the request's id."""
    message = "internal error; the proxy's log has the cause under the ID in X-Request-Id"
    return status_response(status_object(500, "InternalError", message), 500)


def causes_of(errors: Iterable[ErrorDetails | Mapping[str, Any]], skip: int = 0) -> list[Cause]:
    """Return pydantic's errors as causes. The first ``skip`` steps of each location are omitted."""
    return [
        Cause(
            _CAUSE_REASONS.get(error["type"], "FieldValueInvalid"),
            _dotted(error["loc"][skip:]),
            _message(error),
        )
        for error in errors
    ]


def invalid(what: str, error: ValidationError) -> Invalid:
    """Return the 422 for an invalid ``what``. Raise it ``from None``, since inputs may leak."""
    causes = causes_of(error.errors(include_url=False, include_input=False, include_context=False))
    return Invalid.of(causes, what=what)


def install_error_handlers(app: FastAPI) -> None:
    """Make ``app`` answer every expected exception with a ``Status``."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_request_validation)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Unreachable, _on_unreachable)
    app.add_exception_handler(ApiError, _on_api_error)


async def _on_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this type
    return problem_response(error)


async def _on_request_validation(_: Request, error: Exception) -> Response:
    """Answer invalid parameters with 400, as the API server does. FastAPI reads no bodies here."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type
    causes = causes_of(error.errors(), skip=1)
    return problem_response(BadRequest.of(causes))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """Answer the router's refusals: 404 for an unknown path, 405 for an unsupported method.

    A path that would match without its trailing slash is answered with a redirect.
    """
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type
    code = error.status_code
    if code == 404 and (location := without_slash(request)):
        return redirect(location)
    reason = _REASONS.get(code, http.HTTPStatus(code).phrase.replace(" ", ""))
    message = {404: NO_SUCH_PATH, 405: "method not allowed for this path"}.get(
        code, str(error.detail)
    )
    headers = error.headers
    if code == 405:
        headers = {"Allow": ", ".join(allowed_methods(request))}
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=headers)
    return status_response(status_object(code, reason, message), code, headers)


def allowed_methods(request: Request) -> list[str]:
    """Return the methods of the request's path. The router's own answer covers only one route."""
    found = [
        method
        for method in METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.router.routes
        )
    ]
    if "GET" in found:
        found.insert(1, "HEAD")
    return [*found, "OPTIONS"]


async def _on_unreachable(_: Request, error: Exception) -> Response:
    logger.warning("API server unreachable: %s", error)
    return problem_response(Unavailable("the API server can't be reached"))


async def _on_api_error(_: Request, error: Exception) -> Response:
    """Answer an error of the proxy's own requests. Its details are not for the caller."""
    assert isinstance(error, ApiError)  # noqa: S101 - registered for this type
    logger.error("The API server refused a request of the proxy itself: %s", error)
    if error.is_too_many_requests or error.is_server_error:
        wait = math.ceil(error.retry_after or 1)
        return problem_response(
            Unavailable("the API server is busy; try again", retry_after_s=wait)
        )
    if error.is_forbidden and "exceeded quota" in str(error.status.get("message")):
        return problem_response(Forbidden(ACCOUNTS_ARE_FULL))
    return internal_error()


def _dotted(place: Iterable[str | int]) -> str:
    path = ""
    for step in place:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path


def _message(error: ErrorDetails | Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "unknown field"
    message = pydantic_message(error["msg"])
    return message.removeprefix("Value error, ")
