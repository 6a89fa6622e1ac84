"""``/healthz``, ``/readyz`` and ``/metrics``: for operators of the proxy, without a token."""

from typing import Final

from fastapi import APIRouter, Response

from wegent_api.http.errors import Unavailable
from wegent_api.http.openapi import statuses
from wegent_api.server.metrics import CONTENT_TYPE, MetricsDep
from wegent_api.server.readiness import DrainingDep, ReadinessDep

router: Final = APIRouter(tags=["operations"])


@router.get("/healthz", summary="Check that the proxy runs")
async def healthz() -> dict[str, str]:
    """Answer 200 while the event loop runs, whatever the state of the API server."""
    return {"status": "ok"}


@router.get("/readyz", summary="Check that the proxy can serve requests", responses=statuses(503))
async def readyz(readiness: ReadinessDep, draining: DrainingDep) -> dict[str, str]:
    """Answer 200 if the API server answers the proxy. Otherwise, and before a stop, answer 503."""
    if draining.is_set():
        raise Unavailable("the proxy is shutting down")
    if not await readiness.ready():
        raise Unavailable("the API server does not answer the proxy")
    return {"status": "ok"}


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
async def metrics(registry: MetricsDep) -> Response:
    """Return all metrics in Prometheus' text format."""
    return Response(registry.exposition(), media_type=CONTENT_TYPE)
