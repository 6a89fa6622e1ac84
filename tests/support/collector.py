"""A stand-in for a collector: it receives OpenTelemetry's spans over HTTP."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """The spans received so far."""

    def __init__(self) -> None:
        self.url = ""
        self.raw = b""
        self.spans: list[tuple[str, Span]] = []
        """Each span, with the name of the service that sent it."""

    def take(self, raw: bytes) -> None:
        self.raw += raw
        for sent in ExportTraceServiceRequest.FromString(raw).resource_spans:
            service = attributes_of(sent.resource)["service.name"]
            for scope in sent.scope_spans:
                self.spans += [(service, span) for span in scope.spans]


def attributes_of(holder: Span) -> dict[str, str]:
    """Return the attributes of a span whose values are strings."""
    return {it.key: it.value.string_value for it in holder.attributes}


@contextmanager
def collector() -> Iterator[Collector]:
    """A collector on a free port."""
    collected = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            collected.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        collected.url = f"http://127.0.0.1:{server.server_port}"
        yield collected
        server.shutdown()
        thread.join()
