"""``/``: the documentation, or the list of all paths, as at the root of Kubernetes."""

from typing import Final

from fastapi import FastAPI, Request, Response

from wegent_api.document.route import Document
from wegent_api.http.redirects import redirect, under_root
from wegent_api.http.security_headers import DOCS
from wegent_kube.content_types import JSON
from wegent_kube.encoding import encode_json

HTML: Final = "text/html"
ALSO_DOCS: Final = ("/redoc", "/swagger")
"""Paths at which other servers have the page at `DOCS`."""


def install_entrance(app: FastAPI, document: Document) -> None:
    """Make ``app`` serve ``/``: a redirect, or all paths for clients that prefer JSON."""

    async def entrance(request: Request) -> Response:
        headers = {"Vary": "Accept"}
        if not prefers_json(request.headers.get("accept", "")):
            return redirect(under_root(request, DOCS), headers)
        paths = sorted([*await document.paths(), str(app.openapi_url), DOCS])
        return Response(encode_json({"paths": paths}) + b"\n", 200, headers, media_type=JSON)

    async def docs(request: Request) -> Response:
        return redirect(under_root(request, DOCS))

    app.add_api_route("/", entrance, methods=["GET"], include_in_schema=False)
    for path in ALSO_DOCS:
        app.add_api_route(path, docs, methods=["GET"], include_in_schema=False)


def prefers_json(accept: str) -> bool:
    """Return whether an ``Accept`` header gives JSON more weight than HTML."""
    weights = {HTML: 0.0, JSON: 0.0}
    for part in accept.split(","):
        media, *parameters = (it.strip().lower() for it in part.split(";"))
        if media in weights:
            weights[media] = next(map(_weight, (it for it in parameters if it[:2] == "q=")), 1.0)
    return weights[JSON] > weights[HTML]


def _weight(parameter: str) -> float:
    try:
        return float(parameter[2:])
    except ValueError:
        return 0.0
