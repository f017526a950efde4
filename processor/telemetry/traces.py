"""OpenTelemetry traces, with the extra `otel`: a span a batch, linked to the traces that its events came with.

Off unless PROCESSOR_TRACES says otherwise; where spans go is OpenTelemetry's own environment variables' to say
(OTEL_EXPORTER_OTLP_ENDPOINT and the like). No profile's data is in a span.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog

from processor import __version__
from processor.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from processor.profile.batch import Batch
    from processor.profile.source_record import Record

log = structlog.get_logger(__name__)

_LAST_SPANS_S: Final = 3.0
_LINKS_MAX: Final = 32
_HEADER: Final = "traceparent"
"""Where a producer writes an event's trace (W3C Trace Context)."""


class Span(Protocol):
    """A batch's way through the stages: a real span, or `NO_SPAN`."""

    def acknowledged(self, batch: Batch, rejected: int) -> None:
        """End the span: the batch is acknowledged, and `rejected` of its exports are dead letters."""

    def abandoned(self) -> None:
        """End the span: the batch was given up."""


class Tracer(Protocol):
    """Begins spans: OpenTelemetry's, or none."""

    def begin(self, partition: int, records: Sequence[Record]) -> Span:
        """Begin the span of a batch of a partition."""


class _NoSpan:
    def acknowledged(self, batch: Batch, rejected: int) -> None:
        pass

    def abandoned(self) -> None:
        pass


NO_SPAN: Final = _NoSpan()


class NoTraces:
    """Begins no spans: traces are off."""

    def begin(self, partition: int, records: Sequence[Record]) -> Span:  # noqa: ARG002  see `Tracer`
        """Begin nothing."""
        return NO_SPAN


class _BatchSpan:
    def __init__(self, span: Any) -> None:  # noqa: ANN401  the extra may be missing
        self._span = span

    def acknowledged(self, batch: Batch, rejected: int) -> None:
        self._span.set_attributes(
            {
                "processor.exported": batch.exports_made - rejected,
                "processor.unchanged": batch.unchanged,
                "processor.skipped": batch.skipped,
                "processor.dead_lettered": len(batch.dead_letters) + rejected,
            }
        )
        self._span.end()

    def abandoned(self) -> None:
        self._span.set_attribute("processor.abandoned", value=True)
        self._span.end()


class BatchTraces:
    """Begins spans of an OpenTelemetry tracer. `api` is the module `opentelemetry.trace`; `propagator` reads events' headers."""

    def __init__(
        self,
        tracer: Any,  # noqa: ANN401  the extra may be missing
        api: Any,  # noqa: ANN401  as above
        propagator: Any,  # noqa: ANN401  as above
        topic: str,
    ) -> None:
        self._tracer = tracer
        self._api = api
        self._propagator = propagator
        self._topic = topic

    def begin(self, partition: int, records: Sequence[Record]) -> Span:
        """Begin a span, with links to the traces of the first 32 events that came with one."""
        attributes = {
            "messaging.system": "kafka",
            "messaging.operation.type": "process",
            "messaging.destination.name": self._topic,
            "messaging.destination.partition.id": str(partition),
            "messaging.kafka.offset": records[0].offset,
            "messaging.batch.message_count": len(records),
        }
        span = self._tracer.start_span(
            f"process {self._topic}",
            kind=self._api.SpanKind.CONSUMER,
            links=list(self._links(records)),
            attributes=attributes,
        )
        return _BatchSpan(span)

    def _links(self, records: Sequence[Record]) -> Iterator[Any]:
        found = 0
        for record in records:
            headers = {name: value.decode("ascii", "replace") for name, value in record.headers if value}
            if _HEADER not in headers:
                continue
            context = self._api.get_current_span(self._propagator.extract(headers)).get_span_context()
            if context.is_valid:
                yield self._api.Link(context)
                found += 1
            if found >= _LINKS_MAX:
                return


@asynccontextmanager
async def tracing(topic: str, traces: str, last_spans_s: float = _LAST_SPANS_S) -> AsyncIterator[Tracer]:
    """Yield the tracer that the setting asks for; what it still holds at the end is sent, if that takes at most `last_spans_s`.

    Raises:
        ConfigurationError: the extra is not installed.

    """
    if traces == "off":
        yield NoTraces()
        return
    try:
        from opentelemetry import trace  # noqa: PLC0415  only the extra brings it
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415
    except ModuleNotFoundError as error:
        problem = Problem(
            source="environment",
            line=None,
            member="PROCESSOR_TRACES",
            message=f"{error.name} is not installed",
            remedy="Install the extra: pip install 'profile-export-processor[otel]'",
        )
        raise ConfigurationError([problem]) from error
    named = Resource.create({"service.name": "processor", "service.version": __version__})
    provider = TracerProvider(resource=named, shutdown_on_exit=False)
    # A queue of a bounded length, and a thread of its own: a collector that is away costs spans, not events.
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        tracer = provider.get_tracer("processor", __version__)
        yield BatchTraces(tracer, trace, TraceContextTextMapPropagator(), topic)
    finally:
        await _shut_down(provider, last_spans_s)


async def _shut_down(provider: Any, last_spans_s: float) -> None:  # noqa: ANN401  the extra may be missing
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def shut_down() -> None:
        provider.shutdown()
        with suppress(RuntimeError):  # too late: the loop is closed
            loop.call_soon_threadsafe(done.set)

    # It may wait for a collector that is away; neither the loop nor the end of the process waits for a daemon.
    threading.Thread(target=shut_down, name="traces", daemon=True).start()
    try:
        async with asyncio.timeout(last_spans_s):
            await done.wait()
    except TimeoutError:
        log.warning("left without an answer", client="the collector of traces")
