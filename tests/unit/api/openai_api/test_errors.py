"""Each error below ``/v1/`` gets OpenAI's form, wherever it was rendered."""

import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from wegent_api.http.error_responses import install_error_handlers, problem_response
from wegent_api.http.errors import BadRequest, Cause, Unavailable
from wegent_api.openai_api.errors import OpenAIErrors, Refusal, on_refusal, task_made
from wegent_kube import ApiError, Unreachable


def _app() -> FastAPI:
    app = FastAPI()
    app.add_middleware(OpenAIErrors)
    install_error_handlers(app)
    app.add_exception_handler(Refusal, on_refusal)

    @app.get("/v1/unreachable")
    @app.get("/v2/unreachable")
    async def unreachable() -> None:
        raise Unreachable("connection refused")

    @app.get("/v1/busy")
    async def busy() -> None:
        raise ApiError(429, {"message": "slow down"}, retry_after=7)

    @app.get("/v1/cause")
    async def cause() -> Response:
        return problem_response(BadRequest.of([Cause("FieldValueInvalid", "input", "is odd")]))

    @app.get("/v1/refusal")
    async def refusal() -> None:
        raise Refusal(404, "none", param="model", code="model_not_found")

    @app.get("/v1/made")
    async def made(request: Request) -> None:
        task_made(request)
        raise Unavailable("no runner is running")

    @app.get("/v1/other")
    async def other() -> Response:
        return Response("<html>", 502, media_type="text/html")

    return app


async def _get(path: str, method: str = "GET", root: str = "") -> httpx.Response:
    transport = httpx.ASGITransport(_app(), root_path=root)
    async with httpx.AsyncClient(transport=transport, base_url="http://proxy") as client:
        return await client.request(method, root + path)


@pytest.mark.parametrize("root", ["", "/wegent"])
@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/v1/unreachable", 503, {"type": "server_error", "param": None, "code": None}),
        ("/v1/busy", 503, {"type": "server_error", "param": None, "code": None}),
        ("/v1/cause", 400, {"type": "invalid_request_error", "param": "input", "code": None}),
        (
            "/v1/refusal",
            404,
            {"type": "invalid_request_error", "param": "model", "code": "model_not_found"},
        ),
        (
            "/v1/models/gpt-4",
            404,
            {"type": "invalid_request_error", "param": "model", "code": "model_not_found"},
        ),
        ("/v1/none", 404, {"type": "invalid_request_error", "param": None, "code": None}),
    ],
)
async def test_an_error_has_openais_form(
    root: str, path: str, status: int, error: dict[str, Any]
) -> None:
    answer = await _get(path, root=root)
    assert answer.status_code == status
    told = answer.json()["error"]
    assert told.pop("message")
    assert told == error
    assert int(answer.headers["content-length"]) == len(answer.content)


async def test_headers_of_an_error_are_kept() -> None:
    assert (await _get("/v1/busy")).headers["Retry-After"] == "7"
    assert (await _get("/v1/cause", "POST")).headers["Allow"] == "GET, HEAD, OPTIONS"


async def test_other_answers_are_left_alone() -> None:
    assert (await _get("/v2/unreachable")).json()["kind"] == "Status"
    assert (await _get("/v1/other")).text == "<html>"
    with pytest.raises(json.JSONDecodeError):
        (await _get("/v1/unreachable", "OPTIONS")).json()


async def test_an_error_after_the_making_of_a_task_is_not_retried() -> None:
    assert (await _get("/v1/made")).headers["x-should-retry"] == "false"
    assert "x-should-retry" not in (await _get("/v1/busy")).headers
