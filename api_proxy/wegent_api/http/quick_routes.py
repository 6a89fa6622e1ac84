"""Finds a route by the steps of its path, and calls it with its dependencies, prepared beforehand.

FastAPI tries all routes in turn, twice, and inspects each parameter of each dependency in each
request. That took half of a GET's CPU time (docs/adr/0056). Here both are done once: routes are in
a tree of path steps, and the dependencies of each are a list of calls.

FastAPI stays in charge. Routes are declared for it, and their document comes from it. It also
answers all requests that this module doesn't: unknown paths and methods, routes with parameters of
other sorts, and invalid parameters, whose errors it words.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from inspect import iscoroutinefunction, isroutine
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from pydantic import BaseModel
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from wegent_api.http.state import FromState

FOUND: Final = "wegent.quick_route"
"""Entry of a request's scope: its route, and the values in its path.

FastAPI serves a request that has the entry already.
"""
MAX_KNOWN: Final = 64
"""Number of queries for each route whose parameters are kept."""
MAX_KNOWN_BYTES: Final = 256
"""Limit for the length of such a query."""
_REQUEST: Final = 0
"""Place of the request among the values of a call."""

Arguments = tuple[tuple[str, int], ...]
"""Names of parameters, and the places of their values."""


class _UnsupportedError(Exception):
    """A route has a parameter of a sort that FastAPI has to resolve."""


class _Node:
    """The routes below some steps of a path."""

    def __init__(self) -> None:
        self.steps: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.routes: dict[str, QuickRoute] = {}

    def add(self, route: "QuickRoute") -> None:
        """Add a route, unless there is an earlier one for the same path and method."""
        node = self
        for step in route.steps:
            if step is None:
                node.parameter = node = node.parameter or _Node()
            else:
                node = node.steps.setdefault(step, _Node())
        for method in route.methods:
            node.routes.setdefault(method, route)

    def find(self, method: str, path: str) -> "tuple[QuickRoute, list[str]] | None":
        """Return the route of a request, with the values of the parameters in its path."""
        node, values = self, []
        for step in path.split("/"):
            below = node.steps.get(step)
            if below is None:
                below = node.parameter
                if below is None or not step:
                    return None
                values.append(step)
            node = below
        route = node.routes.get(method)
        return None if route is None else (route, values)


class QuickRoute:
    """One route and the calls that it takes.

    Raises:
        _UnsupportedError: FastAPI has to call the route.
    """

    def __init__(self, context: RouteContext) -> None:
        route = context.original_route
        if not isinstance(route, APIRoute) or context.response_field is not None:
            raise _UnsupportedError  # FastAPI makes the response
        self.route = route
        self.methods = frozenset(context.methods or ())
        self.steps = tuple(map(_step_of, str(context.path).split("/")))
        self._names = [it[1:-1] for it in str(context.path).split("/") if _step_of(it) is None]
        self._places: dict[Any, int] = {None: _REQUEST}
        self._state: list[tuple[int, str]] = []
        self._fields: list[tuple[int, Any, str | None]] = []
        self._calls: list[tuple[int, Callable[..., Awaitable[Any]], Arguments]] = []
        self._endpoint: Callable[..., Awaitable[Response]] = _asynchronous(context.endpoint)
        self._arguments = self._arguments_of(context.dependant)
        self._known: dict[bytes, BaseModel] = {}

    async def answer(self, request: Request, steps: list[str]) -> Response | None:
        """Return the answer to a request, or None if a parameter is not valid.

        Args:
            request: the request. No part of its body has been read if the answer is None.
            steps: values of the parameters in the path.
        """
        values: list[Any] = [request, *[None] * len(self._places)]
        in_path = request.scope["path_params"] = dict(zip(self._names, steps, strict=True))
        for place, field, name in self._fields:
            if name is not None:
                values[place], errors = field.validate(in_path[name], {}, loc=())
            else:
                values[place], errors = self._validated(request, field)
            if errors:
                return None
        state = request.scope.get("state", {})
        for place, name in self._state:
            values[place] = state[name]
        for place, call, arguments in self._calls:
            values[place] = await call(**{name: values[at] for name, at in arguments})
        return await self._endpoint(**{name: values[at] for name, at in self._arguments})

    def _validated(self, request: Request, field: Any) -> tuple[Any, Any]:
        """Return the parameters in the query, and errors. Clients repeat their queries."""
        query: bytes = request.scope["query_string"]
        if (known := self._known.get(query)) is not None:
            return known, None
        value, errors = field.validate(dict(request.query_params), {}, loc=())
        if not errors and len(query) <= MAX_KNOWN_BYTES:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[query] = value
        return value, errors

    def _arguments_of(self, dependant: Dependant) -> Arguments:
        others = (
            *(dependant.header_params, dependant.cookie_params, dependant.body_params),
            *(dependant.websocket_param_name, dependant.response_param_name),
            *(dependant.background_tasks_param_name, dependant.security_scopes_param_name),
            *(dependant.own_oauth_scopes, dependant.concurrency, not dependant.use_cache),
        )
        if any(others):
            raise _UnsupportedError
        found = [(it.name, self._place_of(it)) for it in dependant.dependencies]
        found += [(it.name, self._field(it, it.alias)) for it in dependant.path_params]
        found += [(it.name, self._query(it)) for it in dependant.query_params]
        found += [
            (name, _REQUEST)
            for name in (dependant.request_param_name, dependant.http_connection_param_name)
        ]
        return tuple((name, place) for name, place in found if name is not None)

    def _place_of(self, dependant: Dependant) -> int:
        call = dependant.call
        if call in self._places:
            return self._places[call]
        if isinstance(call, FromState):
            place = self._places[call] = len(self._places)
            self._state.append((place, call.name))
        else:
            arguments = self._arguments_of(dependant)
            place = self._places[call] = len(self._places)
            self._calls.append((place, _asynchronous(call), arguments))
        return place

    def _query(self, field: Any) -> int:
        annotation = field.field_info.annotation
        models = [it for it, _, name in self._fields if name is None]
        if models or not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            raise _UnsupportedError
        if not annotation.model_config.get("frozen"):
            raise _UnsupportedError  # requests with the same query share its value
        return self._field(field, None)

    def _field(self, field: Any, name: str | None) -> int:
        place = self._places[field.name, id(field)] = len(self._places)
        self._fields.append((place, field, name))
        return place


class QuickRoutes(BaseRoute):
    """All routes of an application that need no more than this module does.

    Args:
        app: the application, with all of its routes.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self.tree = _Node()
        """The routes by the steps of their paths."""
        for context in iter_route_contexts(app.router.routes):
            with suppress(_UnsupportedError):
                self.tree.add(QuickRoute(context))

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether one of the routes serves the request."""
        if scope["type"] != "http" or FOUND in scope or scope.get("root_path"):
            return Match.NONE, {}
        found = self.tree.find(scope["method"], scope["path"])
        return (Match.NONE, {}) if found is None else (Match.FULL, {FOUND: found})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        route, values = scope[FOUND]
        scope["route"] = route.route
        request = Request(scope, receive, send)
        response = await route.answer(request, values)
        if response is None:
            await self._app.router(scope, receive, send)
        else:
            await response(scope, receive, send)


def install_quick_routes(app: FastAPI) -> None:
    """Make ``app`` serve its simple routes this way."""
    app.router.routes.insert(0, QuickRoutes(app))


def _asynchronous(call: Any) -> Callable[..., Awaitable[Any]]:
    if not iscoroutinefunction(call if isroutine(call) else type(call).__call__):
        raise _UnsupportedError  # a generator, or a function that FastAPI runs in a thread
    found: Callable[..., Awaitable[Any]] = call
    return found


def _step_of(step: str) -> str | None:
    """Return a step of a route's path, or None for a parameter that is a whole step."""
    if "{" not in step:
        return step
    if step.startswith("{") and step.endswith("}") and ":" not in step:
        return None
    raise _UnsupportedError
