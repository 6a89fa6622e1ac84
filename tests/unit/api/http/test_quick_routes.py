"""The short way to a route chooses as FastAPI does, and leaves to it all that needs FastAPI."""

from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict
from starlette.routing import Match

from wegent_api.app import create_app
from wegent_api.http.quick_routes import FOUND, MAX_KNOWN, QuickRoutes, install_quick_routes
from wegent_api.settings import Settings

APP = create_app(Settings())
[QUICK] = [it for it in APP.router.routes if isinstance(it, QuickRoutes)]
KIND = "/api/v1/kinds/ghosts"


def slow(method: str, path: str) -> APIRoute | None:
    """Return the route that FastAPI chooses."""
    scope: dict[str, Any] = {"type": "http", "method": method, "path": path, FOUND: None}
    routes: list[Any] = APP.router.routes
    for route in routes:
        match, _ = route.matches(scope)
        if match is Match.FULL:
            if hasattr(route, "original_router"):
                found: APIRoute = route._match(scope)[2]
                return found
            return route if isinstance(route, APIRoute) else None
    return None


def quick(method: str, path: str) -> APIRoute | None:
    match, scope = QUICK.matches({"type": "http", "method": method, "path": path})
    return scope[FOUND][0].route if match is Match.FULL else None


PATHS = sorted(
    {
        path.replace("{", "").replace("}", "")
        for path, methods in APP.openapi()["paths"].items()
        for _ in methods
    }
)


@pytest.mark.parametrize("path", PATHS)
def test_it_chooses_the_route_that_fastapi_chooses(path: str) -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        chosen = quick(method, path)
        assert chosen is None or chosen is slow(method, path)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *((method, f"{KIND}/x") for method in ("GET", "PUT", "PATCH", "DELETE")),
        *((method, KIND) for method in ("GET", "POST")),
    ],
)
def test_it_serves_the_kinds(method: str, path: str) -> None:
    assert quick(method, path) is not None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{KIND}/"),
        ("GET", f"{KIND}/x/"),
        ("GET", f"{KIND}//x"),
        ("GET", "/api/v1/kinds/unknown/x"),
        ("TRACE", f"{KIND}/x"),
        ("POST", f"{KIND}/x"),
        ("GET", "/healthz"),
        ("GET", "/docs/assets/swagger-ui.css"),
        ("GET", ""),
    ],
)
def test_it_leaves_to_fastapi_what_is_unknown_or_needs_it(method: str, path: str) -> None:
    assert quick(method, path) is None


class Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = 1


class Steps:
    """An application whose dependencies note their calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        steps = self.calls

        async def first(request: Request) -> str:
            steps.append("first")
            return request.headers.get("x-who", "nobody")

        async def second(who: Annotated[str, Depends(first)]) -> str:
            steps.append("second")
            return f"{who}!"

        async def get(
            name: str,
            who: Annotated[str, Depends(first)],
            loud: Annotated[str, Depends(second)],
            parameters: Annotated[Parameters, Query()],
        ) -> Response:
            return Response(f"{name} {who} {loud} {parameters.size}")

        async def threaded(who: Annotated[str, Depends(lambda: "thread")]) -> Response:
            return Response(who)

        self.app = FastAPI()
        self.app.add_api_route("/one/{name}", get, dependencies=[Depends(second)])
        self.app.add_api_route("/threaded", threaded)
        install_quick_routes(self.app)

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answer = await client.get(path, headers=headers)
        return answer.status_code, answer.text


async def test_each_dependency_is_called_once_and_in_order() -> None:
    steps = Steps()
    for who in ("ann", "bob"):  # the second time with the parameters that are kept
        found = await steps.get("/one/x?size=2", **{"x-who": who})
        assert found == (200, f"x {who} {who}! 2")
    assert steps.calls == ["first", "second"] * 2


async def test_an_invalid_parameter_calls_nothing_twice_and_is_worded_by_fastapi() -> None:
    steps = Steps()
    status, text = await steps.get("/one/x?size=two")
    assert (status, steps.calls) == (422, ["first", "second"])
    assert "int_parsing" in text
    assert (await steps.get("/one/x?other=1"))[0] == 422


async def test_kept_parameters_are_bounded() -> None:
    steps = Steps()
    for size in range(3 * MAX_KNOWN):
        assert await steps.get(f"/one/x?size={size}") == (200, f"x nobody nobody! {size}")
    [quick_routes] = [it for it in steps.app.router.routes if isinstance(it, QuickRoutes)]
    found = quick_routes.tree.find("GET", "/one/x")
    assert found
    assert 0 < len(found[0]._known) <= MAX_KNOWN


async def test_fastapi_serves_what_needs_a_thread() -> None:
    assert await Steps().get("/threaded") == (200, "thread")
