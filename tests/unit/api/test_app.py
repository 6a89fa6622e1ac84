"""The application's assembly."""

import asyncio
import inspect
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

import wegent_api
from wegent_api.app import create_app
from wegent_api.settings import Settings


def routes_of(routes: Any) -> Iterator[APIRoute]:
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        elif hasattr(route, "original_router"):
            yield from routes_of(route.original_router.routes)


def calls_of(dependant: Dependant) -> Iterator[Any]:
    if dependant.call:
        yield dependant.call
    for inner in dependant.dependencies:
        yield from calls_of(inner)


ROUTES = list(routes_of(create_app(Settings()).routes))


@pytest.mark.parametrize("route", ROUTES, ids=lambda it: f"{it.methods} {it.path}")
def test_nothing_is_run_in_a_thread(route: APIRoute) -> None:
    """FastAPI runs each sync function in a thread, which costs a third of a request here."""
    calls = list(calls_of(route.dependant))
    assert calls
    for call in calls:
        asynchronous = call if inspect.isroutine(call) else call.__call__
        assert inspect.iscoroutinefunction(asynchronous), call


def test_two_applications_share_nothing() -> None:
    one, other = create_app(Settings()), create_app(Settings(port=1))
    assert one.openapi() is not other.openapi()
    assert one.openapi() == other.openapi()


async def test_an_application_opens_nothing_before_its_lifespan() -> None:
    tasks = asyncio.all_tasks()
    app = create_app(Settings(kubeconfig=None))
    assert asyncio.all_tasks() == tasks
    assert app.state._state == {}
    assert wegent_api.__doc__


async def test_the_document_is_made_once_and_beside_the_event_loop() -> None:
    """It takes a second, and its encoding some hundredths, and clients need no token for it."""
    app = create_app(Settings())
    made_by: list[threading.Thread] = []

    def document() -> dict[str, Any]:
        made_by.append(threading.current_thread())
        return {"openapi": "3.1.0"}

    app.openapi = document  # type: ignore[method-assign]
    [route] = [it for it in app.router.routes if getattr(it, "path", "") == "/openapi.json"]
    scope = {"type": "http", "method": "GET", "path": "/openapi.json", "headers": []}

    async def get() -> bytes:
        answer: Response = await route.endpoint(Request(scope))  # type: ignore[attr-defined]
        return bytes(answer.body)

    bodies = await asyncio.gather(*(get() for _ in range(3)))
    assert [json.loads(body) for body in bodies] == [{"openapi": "3.1.0"}] * 3
    assert len(made_by) == 1
    assert made_by[0] is not threading.current_thread()
