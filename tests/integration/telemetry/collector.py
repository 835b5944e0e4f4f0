"""A collector of traces for tests: takes OTLP over HTTP, and keeps the spans."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}


@dataclass(frozen=True)
class Span:
    """One span as it arrived."""

    trace: str
    id: str
    parent: str
    name: str
    kind: str
    failed: bool
    status: str
    attributes: dict[str, Any]
    events: list[dict[str, Any]]
    started_ns: int
    ended_ns: int
    resource: dict[str, Any]


@dataclass
class Collector:
    """Its address, and what it was sent."""

    url: str
    paths: set[str] = field(default_factory=set)
    spans: list[Span] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)

    def named(self, start: str) -> list[Span]:
        return [span for span in self.spans if span.name.startswith(start)]

    def of(self, execution_id: str, kind: str) -> list[Span]:
        """Spans of an execution, the first first."""
        found = [
            span
            for span in self.spans
            if span.attributes.get("messaging.message.id") == execution_id and span.kind == kind
        ]
        return sorted(found, key=lambda span: span.started_ns)

    def take(self, path: str, body: bytes) -> None:
        self.paths.add(path)
        self.raw.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            about = read(resource.resource.attributes)
            self.spans += [read_span(span, about) for scope in resource.scope_spans for span in scope.spans]


def read_span(span: Any, resource: dict[str, Any]) -> Span:
    return Span(
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.name,
        KINDS[span.kind],
        span.status.code == 2,
        span.status.message,
        read(span.attributes),
        [{"name": event.name, **read(event.attributes)} for event in span.events],
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        resource,
    )


def read(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.take(self.path, self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Taking) as server:
        found = Collector(f"http://127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield found
        server.shutdown()
