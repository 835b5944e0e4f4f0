"""Traces over OpenTelemetry: what was planned or asked for, each attempt, and the callback, as one trace.

The only module that knows OpenTelemetry; it is imported where HELPERHUB_OTEL_ENDPOINT is set, and nowhere else. Names
and attributes are those of its semantic conventions for messaging and HTTP; nothing of a payload is in them. Its
environment variables hold as well: OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS, OTEL_RESOURCE_ATTRIBUTES.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import Token

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import ProxyTracerProvider, Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from helperhub.model.execution import AttemptError
from helperhub.telemetry.told import CARRIED, Told

#: Where a collector takes traces, below its address (OTLP/HTTP).
_PATH = "/v1/traces"
#: How long one export may take, seconds: at most so long a collector that hangs holds up a process's end.
_TIMEOUT_S = 2.0
_WIRE = TraceContextTextMapPropagator()


class Attempt:
    """An attempt that runs: its span is the current one of this thread, and of what the helper starts there."""

    def __init__(self, span: Span) -> None:
        """Make ``span`` the current one."""
        self._span = span
        self._token: Token[Context] = contexts.attach(trace.set_span_in_context(span))

    def end(self, outcome: str, error: AttemptError | None) -> None:
        """Say how it ended; ``error`` is shown as it is, so it has to be without secrets and local variables."""
        contexts.detach(self._token)
        self._span.set_attribute("helperhub.outcome", outcome)
        if error is not None:
            told = {"type": error.type, "message": error.message, "stacktrace": error.traceback}
            self._span.add_event("exception", {f"exception.{name}": text for name, text in told.items() if text})
            self._span.set_attribute("error.type", error.type)
            self._span.set_status(StatusCode.ERROR, f"{error.type}: {error.message}")
        self._span.end()


class Scheduled:
    """A due time on its way from the plan to its queue; of two schedulers' spans only the winner's is told."""

    def __init__(self, root: Span, created: Span) -> None:
        """Keep both spans."""
        self._root = root
        self._created = created

    @property
    def carried(self) -> str:
        """What its message carries."""
        return _write(self._created)

    def end(self) -> None:
        """Tell that it was enqueued by this process."""
        self._created.end()
        self._root.end()


class Answering:
    """A request that is being answered."""

    def __init__(self, span: Span) -> None:
        """Keep its span."""
        self._span = span

    def answered(self, status: int, route: str) -> None:
        """Say by which route it was answered, and how; the path itself may hold a secret."""
        if route:
            self._span.set_attribute("http.route", route)
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self._span.set_attribute("error.type", str(status))
            self._span.set_status(StatusCode.ERROR)


class Calling:
    """A call to somebody outside."""

    def __init__(self, span: Span) -> None:
        """Keep its span."""
        self._span = span
        self.headers = {CARRIED: _write(span)}

    def answered(self, status: int) -> None:
        """Say what was answered."""
        self._span.set_attribute("http.response.status_code", status)
        if not 200 <= status < 300:
            self._span.set_attribute("error.type", str(status))
            self._span.set_status(StatusCode.ERROR)


class Traces:
    """Makes the spans of one process."""

    def __init__(self, provider: TracerProvider) -> None:
        """Make them with ``provider``."""
        self._provider = provider
        self._tracer = provider.get_tracer("helperhub")

    @contextmanager
    def request(self, method: str, headers: Mapping[str, str]) -> Iterator[Answering]:
        """Span the answering of a request; ``traceparent`` in its headers is its parent."""
        about = {"http.request.method": method}
        span = self._tracer.start_span(method, _WIRE.extract(headers, Context()), SpanKind.SERVER, about)
        with trace.use_span(span, end_on_exit=True, record_exception=False):
            yield Answering(span)

    @contextmanager
    def call(self, method: str, host: str, port: int) -> Iterator[Calling]:
        """Span a call to ``host``; what it raises makes it an error, by its type."""
        about: dict[str, str | int] = {"http.request.method": method, "server.address": host, "server.port": port}
        span = self._tracer.start_span(method, kind=SpanKind.CLIENT, attributes=about)
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield Calling(span)
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(StatusCode.ERROR)
                raise

    def enqueued(self, told: Told) -> str:
        """Tell of an execution that this process enqueues, as part of what it does now; return what it carries."""
        span = self._create(told)
        span.end()
        return _write(span)

    def scheduled(self, told: Told, planned_at: str) -> Scheduled:
        """Begin the trace of a due time."""
        about = {"helperhub.helper": told.helper, "helperhub.planned_at": planned_at}
        root = self._tracer.start_span(f"schedule {told.helper}", Context(), SpanKind.INTERNAL, about)
        return Scheduled(root, self._create(told, trace.set_span_in_context(root, Context())))

    def attempt(self, told: Told, carried: object, *, attempt: int, delivery: int) -> Attempt:
        """Begin an attempt at what ``carried`` was enqueued by; whatever that isn't begins a trace of its own."""
        parent = _WIRE.extract({CARRIED: carried} if isinstance(carried, str) else {}, Context())
        about: dict[str, str | int] = {
            **told.attributes("process"),
            "helperhub.attempt": attempt,
            "helperhub.delivery": delivery,
        }
        return Attempt(self._tracer.start_span(f"process {told.queue}", parent, SpanKind.CONSUMER, about))

    def close(self) -> None:
        """Send what hasn't been sent."""
        self._provider.shutdown()

    def _create(self, told: Told, parent: Context | None = None) -> Span:
        return self._tracer.start_span(f"create {told.queue}", parent, SpanKind.PRODUCER, told.attributes("create"))


def build_traces(endpoint: str, *, hub: str, version: str, process: str) -> Traces:
    """Return what sends the spans of this process to a collector, in batches, from a thread of its own.

    Spans that a helper makes become part of its attempt's: unless the process has a tracer provider, this is it.

    Args:
        endpoint: The collector's address, with or without the path for traces.
        hub: The hub's name.
        version: HelperHub's.
        process: This process's id.
    """
    own = {"service.name": "helperhub", "service.namespace": hub, "service.version": version}
    # What the environment says of the service counts before what is said here.
    resource = Resource.create({**own, "service.instance.id": process}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource)
    address = endpoint.rstrip("/")
    url = address if address.endswith(_PATH) else address + _PATH
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=_TIMEOUT_S)))
    if isinstance(trace.get_tracer_provider(), ProxyTracerProvider):
        trace.set_tracer_provider(provider)
    return Traces(provider)


def _write(span: Span) -> str:
    """Return what names ``span`` to another process (W3C Trace Context, ``traceparent``)."""
    carrier: dict[str, str] = {}
    _WIRE.inject(carrier, trace.set_span_in_context(span, Context()))
    return carrier.get(CARRIED, "")


__all__ = ["Answering", "Attempt", "Calling", "Scheduled", "Traces", "build_traces"]
