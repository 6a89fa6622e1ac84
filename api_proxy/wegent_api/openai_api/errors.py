"""Renders every error of these routes in OpenAI's form, which its SDKs read.

``{"error": {"message", "type", "param", "code"}}`` with the HTTP status of the error. The SDKs
choose the class of their exception by that status.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from fastapi import Request, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wegent_api.http.default_namespace import default_namespace
from wegent_api.http.error_responses import NO_SUCH_PATH
from wegent_api.http.errors import Problem
from wegent_kube.content_types import JSON
from wegent_kube.encoding import encode_json

PREFIX: Final = "/v1/"
"""Path of OpenAI's API."""
MODELS: Final = "/v1/models/"
"""Path of the models. Names such as those of OpenAI's own models match no route below it."""
INVALID_REQUEST: Final = "invalid_request_error"
_TYPES: Final = {
    401: (INVALID_REQUEST, "invalid_api_key"),
    403: ("permission_error", "permission_denied"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
}
SERVER_ERROR: Final = "server_error"
NO_RETRY: Final = {"x-should-retry": "false"}
"""Header by which OpenAI's SDKs don't send the request again. A second one would make a Task."""
TASK_MADE: Final = "openai_task_made"
"""Entry of a request's state once the request has made a Task."""


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


def no_such_model(model: str) -> Refusal:
    """Return the refusal of a model that is no Team."""
    return Refusal(
        404,
        f"The model '{model[:100]}' does not exist. A model is a Team: namespace/name, or the name"
        f" alone in the namespace {default_namespace()}.",
        param="model",
        code="model_not_found",
    )


def server_error(message: str, code: str | None) -> dict[str, Any]:
    """Return the ``error`` of a run that gives no answer."""
    return {"message": message, "type": SERVER_ERROR, "param": None, "code": code}


def error_body(problem: Problem) -> dict[str, Any]:
    """Return the ``error`` of an answer or an event."""
    return _error_of(problem.status, problem.code)


def _error_of(status: Mapping[str, Any], http_status: int) -> dict[str, Any]:
    default = (SERVER_ERROR if http_status >= 500 else INVALID_REQUEST, None)
    kind, code = _TYPES.get(http_status, default)
    causes = (status.get("details") or {}).get("causes")
    param = causes[0].get("field") if causes else None
    return {"message": status.get("message") or "", "type": kind, "param": param, "code": code}


async def on_refusal(_: Request, error: Exception) -> Response:
    """Return the answer for a refusal. Exception handler of the application."""
    assert isinstance(error, Refusal)  # noqa: S101 - registered for this type
    return Response(encode_json({"error": _of_refusal(error)}), error.status, media_type=JSON)


def _of_refusal(error: Refusal) -> dict[str, Any]:
    return {
        "message": error.message,
        "type": INVALID_REQUEST,
        "param": error.param,
        "code": error.code,
    }


def task_made(request: Request) -> None:
    """Give each error that follows the header `NO_RETRY`: the Task runs, and costs money."""
    setattr(request.state, TASK_MADE, True)


class OpenAIErrors:
    """ASGI middleware that gives each error below ``/v1/`` OpenAI's form.

    The proxy renders errors as a Kubernetes ``Status``, at several places. Those of these paths are
    rewritten here, so that none is missed: unknown paths, an API server that is gone, a bug.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not _is_ours(scope):
            await self.app(scope, receive, send)
            return
        scope.setdefault("state", {})
        started: Message | None = None
        body = bytearray()

        async def rewrite(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start" and message["status"] >= 400:
                started = message
                if getattr(Request(scope).state, TASK_MADE, False):
                    MutableHeaders(scope=message).update(NO_RETRY)
            elif started is None:
                await send(message)
            else:
                body.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    whole = _in_openai_form(bytes(body), started, _path(scope))
                    await send(started)
                    await send({"type": "http.response.body", "body": whole})

        await self.app(scope, receive, rewrite)


def _is_ours(scope: Scope) -> bool:
    return _path(scope).startswith(PREFIX)


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _in_openai_form(body: bytes, started: Message, path: str) -> bytes:
    """Return the body of an error, and set the length in the head of its answer."""
    try:
        status = json.loads(body)
    except ValueError:  # that of HEAD is empty
        return body
    if not isinstance(status, dict) or status.get("kind") != "Status":
        return body
    error = _error_of(status, started["status"])
    if status.get("message") == NO_SUCH_PATH and path.startswith(MODELS):
        error = _of_refusal(no_such_model(path.removeprefix(MODELS)))
    rewritten = encode_json({"error": error})
    MutableHeaders(scope=started)["content-length"] = str(len(rewritten))
    return rewritten
