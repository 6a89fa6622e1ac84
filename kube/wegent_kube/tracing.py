"""OpenTelemetry traces: on where OpenTelemetry's own variables name an endpoint, else nothing.

The SDK is imported only then; it costs half a second of CPU at the start.
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
"""Asked every few seconds, by machines."""


class Tracing:
    """What makes spans, or doesn't. One for each program; ``shutdown`` sends what is left."""

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
        # Without ``baggage``, the other default: what callers put there isn't the API server's.
        set_global_textmap(TraceContextTextMapPropagator())
        self._shutdown = provider.shutdown

    def span(self, name: str, **attributes: str) -> AbstractContextManager[Any]:
        """Return a context whose requests belong together."""
        if not self.on:
            return nullcontext()
        from opentelemetry import trace  # noqa: PLC0415

        tracer = trace.get_tracer(self._service)
        return tracer.start_as_current_span(name, attributes=attributes)

    def annotate(self, **attributes: str) -> None:
        """Add to the span that is under way, if there is one."""
        if self.on:
            from opentelemetry import trace  # noqa: PLC0415

            trace.get_current_span().set_attributes(attributes)

    def of_clients(self) -> "list[aiohttp.TraceConfig]":
        """Return what makes an aiohttp session's requests spans, without their queries."""
        if not self.on:
            return []
        from opentelemetry.instrumentation.aiohttp_client import (  # noqa: PLC0415
            create_trace_config,
        )

        return [create_trace_config(url_filter=lambda url: str(url.with_query(None)))]

    def of_server(self, app: "FastAPI") -> None:
        """Make an application's requests spans."""
        if self.on:
            from opentelemetry.instrumentation.fastapi import (  # noqa: PLC0415
                FastAPIInstrumentor,
            )

            FastAPIInstrumentor.instrument_app(app, excluded_urls=UNTRACED_ROUTES)

    def shutdown(self) -> None:
        """Send what is left; takes some seconds where nobody takes it."""
        self._shutdown()
