"""OpenTelemetry traces, enabled by OpenTelemetry's own variable for an endpoint.

The SDK is imported only if traces are enabled, because that costs half a second of CPU at the
start.
"""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import aiohttp
    from fastapi import FastAPI

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
UNTRACED_ROUTES: Final = "healthz,readyz,metrics"
"""Routes that probes and scrapers request every few seconds."""


class Tracing:
    """The tracer of a program; its methods have no effect if traces are disabled."""

    def __init__(self, service: str) -> None:
        self.on = any(os.environ.get(name) for name in ENDPOINTS)
        self._service = service
        self._shutdown: Callable[[], None] = lambda: None
        if self.on:
            self._start()

    def _start(self) -> None:
        from opentelemetry import trace  # noqa: PLC0415
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.propagate import set_global_textmap  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
            TraceContextTextMapPropagator,
        )

        os.environ.setdefault("OTEL_SERVICE_NAME", self._service)
        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(provider)
        # Without ``baggage``, the other default: the API server must not get data of callers.
        set_global_textmap(TraceContextTextMapPropagator())
        self._shutdown = provider.shutdown

    def span(self, name: str, **attributes: str) -> AbstractContextManager[Any]:
        """Return a context manager whose requests are recorded in one span."""
        if not self.on:
            return nullcontext()
        from opentelemetry import trace  # noqa: PLC0415

        tracer = trace.get_tracer(self._service)
        return tracer.start_as_current_span(name, attributes=attributes)

    def annotate(self, **attributes: str) -> None:
        """Add attributes to the current span, if there is one."""
        if self.on:
            from opentelemetry import trace  # noqa: PLC0415

            trace.get_current_span().set_attributes(attributes)

    def of_clients(self) -> "list[aiohttp.TraceConfig]":
        """Return trace configs that record an aiohttp session's requests without their queries."""
        if not self.on:
            return []
        from opentelemetry.instrumentation.aiohttp_client import (  # noqa: PLC0415
            create_trace_config,
        )

        return [create_trace_config(url_filter=lambda url: str(url.with_query(None)))]

    def of_server(self, app: "FastAPI") -> None:
        """Record the requests of an application."""
        if self.on:
            from opentelemetry.instrumentation.fastapi import (  # noqa: PLC0415
                FastAPIInstrumentor,
            )

            # Otherwise each frame of a stream would be a span.
            FastAPIInstrumentor.instrument_app(
                app, excluded_urls=UNTRACED_ROUTES, exclude_spans=["receive", "send"]
            )

    def shutdown(self) -> None:
        """Send the remaining spans; takes some seconds if the endpoint is unreachable."""
        self._shutdown()
