"""Prometheus metrics, in a separate registry for each application.

Labels are bounded: a route's template instead of a path, a kind's plural instead of a name.
"""

import asyncio
from typing import Annotated, Final

from fastapi import Depends
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from wegent_api.http.state import FromState

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST


class Metrics:
    """All metrics of the proxy."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "wegent_api_requests",
            "Requests answered, by route template, method and status.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self.latency = Histogram(
            "wegent_api_request_duration_seconds",
            "Time from a request's headers to the end of its answer.",
            ("route", "method"),
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "wegent_api_requests_in_flight", "Requests in progress.", registry=self.registry
        )
        self.watches = Gauge(
            "wegent_api_watches", "Open watches of clients.", registry=self.registry
        )
        self.websockets = Gauge(
            "wegent_api_websockets", "Open WebSockets with a token.", registry=self.registry
        )
        self.websocket_messages = Counter(
            "wegent_api_websocket_messages",
            "Messages of clients, by type and status code.",
            ("type", "status"),
            registry=self.registry,
        )
        self.asyncio_tasks = Gauge(
            "wegent_api_asyncio_tasks",
            "Tasks of the event loop. A number that grows without more requests is a leak.",
            registry=self.registry,
        )
        self.upstream_latency = Histogram(
            "wegent_api_upstream_duration_seconds",
            "Time from a caller's request to the API server until the headers of its answer.",
            ("method", "resource", "status"),
            registry=self.registry,
        )
        self.logins = Counter(
            "wegent_api_logins",
            "Attempts to log in, by outcome.",
            ("outcome",),
            registry=self.registry,
        )
        self.swept_secrets = Counter(
            "wegent_api_swept_secrets",
            "Deleted password Secrets that no Account referred to.",
            registry=self.registry,
        )
        # Looking up a metric by its labels takes longer than counting.
        self._of_requests: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._of_upstream: dict[tuple[str, str, int], Histogram] = {}

    def answered(self, route: str, method: str, status: int, duration_s: float) -> None:
        """Count one request."""
        key = (route, method, status)
        if (found := self._of_requests.get(key)) is None:
            found = self._of_requests[key] = (
                self.requests.labels(route, method, status),
                self.latency.labels(route, method),
            )
        count, latency = found
        count.inc()
        latency.observe(duration_s)

    def answered_upstream(self, method: str, resource: str, status: int, duration_s: float) -> None:
        """Count one request to the API server."""
        key = (method, resource, status)
        if (latency := self._of_upstream.get(key)) is None:
            latency = self._of_upstream[key] = self.upstream_latency.labels(*key)
        latency.observe(duration_s)

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format. The event loop must run."""
        self.asyncio_tasks.set(len(asyncio.all_tasks()))
        return generate_latest(self.registry)


MetricsDep = Annotated[Metrics, Depends(FromState("metrics"))]
"""Parameter type of a route that shows the metrics."""
