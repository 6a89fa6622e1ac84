"""Redirects, which stay on this host.

A redirect holds only the path of an existing route. Neither the Host header nor a path such as
``//elsewhere`` can point it to another host. Its status is 307, which keeps method and body.
"""

from collections.abc import Mapping
from urllib.parse import quote

from fastapi import Request, Response
from starlette.routing import Match


def redirect(location: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a 307 to a path of this host."""
    return Response(status_code=307, headers={"Location": location, **(headers or {})})


def under_root(request: Request, path: str) -> str:
    """Return ``path`` as clients see it. A server in front may add a prefix."""
    return quote(str(request.scope.get("root_path", "")).rstrip("/")) + path


def without_slash(request: Request) -> str | None:
    """Return the location without its trailing slash if a route matches it, else None."""
    path = request.scope["path"]
    if not path.endswith("/") or path.startswith("//"):
        return None
    scope = {**request.scope, "path": path.removesuffix("/")}
    if all(route.matches(scope)[0] is Match.NONE for route in request.app.router.routes):
        return None
    raw: bytes = request.scope.get("raw_path") or quote(path).encode()
    query: bytes = request.scope["query_string"]
    location = raw.removesuffix(b"/") + (b"?" + query if query else b"")
    return location.decode("latin-1")
