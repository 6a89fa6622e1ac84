"""Renders every error of these routes in OpenAI's form, which its SDKs read.

``{"error": {"message", "type", "param", "code"}}`` with the HTTP status of the error. The SDKs
choose the class of their exception by that status.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from wegent_api.http.error_responses import causes_of
from wegent_api.http.errors import BadRequest, Problem
from wegent_kube.content_types import JSON
from wegent_kube.encoding import encode_json

INVALID_REQUEST: Final = "invalid_request_error"
_TYPES: Final = {
    401: (INVALID_REQUEST, "invalid_api_key"),
    403: ("permission_error", "permission_denied"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
}
SERVER_ERROR: Final = "server_error"
NO_RETRY: Final = {"x-should-retry": "false"}
"""Header by which OpenAI's SDKs don't send the request again. A second one would make a Task."""


class Refusal(Exception):  # noqa: N818 - names the answer
    """A refusal with OpenAI's ``param`` and ``code``.

    Args:
        status: HTTP status.
        message: text for people.
        param: name of the parameter at fault.
        code: machine-readable code.
    """

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code


def unsupported(param: str, message: str) -> Refusal:
    """Return the refusal of a parameter that can't be honoured."""
    return Refusal(400, f"{param}: {message}", param=param, code="unsupported_parameter")


def invalid(param: str, message: str) -> Refusal:
    """Return the refusal of a parameter's value."""
    return Refusal(400, f"{param}: {message}", param=param, code="invalid_value")


def error_body(problem: Problem) -> dict[str, Any]:
    """Return the ``error`` of an answer or an event."""
    default = (SERVER_ERROR if problem.code >= 500 else INVALID_REQUEST, None)
    kind, code = _TYPES.get(problem.code, default)
    param = problem.causes[0].field if problem.causes else None
    return {"message": problem.message, "type": kind, "param": param, "code": code}


def error_response(problem: Problem) -> Response:
    """Return the answer for a problem."""
    headers = dict(problem.headers)
    if problem.retry_after_s is not None:
        headers["Retry-After"] = str(problem.retry_after_s)
    body = encode_json({"error": error_body(problem)})
    return Response(body, problem.code, headers, media_type=JSON)


def refused(refusal: Refusal) -> Response:
    """Return the answer for a refusal."""
    error = {
        "message": refusal.message,
        "type": INVALID_REQUEST,
        "param": refusal.param,
        "code": refusal.code,
    }
    return Response(encode_json({"error": error}), refusal.status, media_type=JSON)


class OpenAIRoute(APIRoute):
    """A route whose errors have OpenAI's form."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                return error_response(BadRequest.of(causes_of(error.errors(), skip=1)))
            except Problem as problem:
                return error_response(problem)
            except Refusal as refusal:
                return refused(refusal)

        return handled
