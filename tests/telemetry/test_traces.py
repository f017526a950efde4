"""A span a batch, with links; tried on OpenTelemetry's own SDK."""

from __future__ import annotations

import asyncio
import socket
import sys
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from structlog.testing import capture_logs

from processor.errors import ConfigurationError
from processor.profile.batch import Batch
from processor.telemetry.traces import NO_SPAN, BatchTraces, NoTraces, tracing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NO_OTHERS: Mapping[str, bytes] = MappingProxyType({})
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def records(*parents: bytes | None, others: Mapping[str, bytes] = NO_OTHERS) -> Sequence[Any]:
    """Records with a `traceparent` each, or without one, and with `others`."""
    return [
        SimpleNamespace(
            offset=40 + number,
            headers=[*others.items(), *([] if parent is None else [("traceparent", parent)])],
        )
        for number, parent in enumerate(parents)
    ]


def spans_of(
    count: int = 1, *parents: bytes | None, abandoned: bool = False, others: Mapping[str, bytes] = NO_OTHERS
) -> Any:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    traces = BatchTraces(provider.get_tracer("test"), trace, TraceContextTextMapPropagator(), "events")
    for _ in range(count):
        span = traces.begin(3, records(*parents, others=others))
        if abandoned:
            span.abandoned()
        else:
            batch = Batch(50, len(parents), 100)
            batch.skipped = 1
            span.acknowledged(batch, 0)
    provider.shutdown()
    return exporter.get_finished_spans()


def test_a_span_has_the_figures_of_its_batch() -> None:
    (span,) = spans_of(1, None, None)
    assert span.name == "process events"
    assert span.attributes["messaging.destination.partition.id"] == "3"
    assert span.attributes["messaging.kafka.offset"] == 40
    assert span.attributes["messaging.batch.message_count"] == 2
    assert (span.attributes["processor.skipped"], span.attributes["processor.unchanged"]) == (1, 1)
    (given_up,) = spans_of(1, None, abandoned=True)
    assert given_up.attributes["processor.abandoned"] is True


def test_links_lead_to_the_events_traces_and_what_is_no_traceparent_is_passed_over() -> None:
    good = f"00-{TRACE}-{SPAN}-01".encode()
    none = f"00-{'0' * 32}-{SPAN}-01".encode()
    (span,) = spans_of(1, good, None, b"nonsense", none, b"\xff" * 55)
    (link,) = span.links
    assert f"{link.context.trace_id:032x}" == TRACE
    assert f"{link.context.span_id:016x}" == SPAN
    assert link.context.is_remote


@pytest.mark.parametrize(
    ("others", "state"),
    [({}, {}), ({"tracestate": b"vendor=1,other=2"}, {"vendor": "1", "other": "2"}), ({"note": b"\xff"}, {})],
)
def test_a_link_has_the_state_that_its_trace_came_with(
    others: dict[str, bytes], state: dict[str, str]
) -> None:
    (span,) = spans_of(1, f"00-{TRACE}-{SPAN}-01".encode(), others=others)
    (link,) = span.links
    assert dict(link.context.trace_state) == state
    assert link.context.trace_flags.sampled


def test_links_are_bounded() -> None:
    parents = [f"00-{number + 1:032x}-{SPAN}-01".encode() for number in range(200)]
    (span,) = spans_of(1, *parents)
    assert len(span.links) == 32


async def test_traces_are_off_unless_asked_for() -> None:
    async with tracing("events", "off") as tracer:
        assert isinstance(tracer, NoTraces)
        assert tracer.begin(0, records(None)) is NO_SPAN


async def test_without_the_extra_the_remedy_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ConfigurationError, match=r"profile-export-processor\[otel\]"):
        async with tracing("events", "otlp"):
            pass


async def test_spans_arrive_at_a_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    arrived: list[str] = []

    async def collect(request: web.Request) -> web.Response:
        arrival = ExportTraceServiceRequest.FromString(await request.read())
        arrived.extend(
            span.name for each in arrival.resource_spans for scope in each.scope_spans for span in scope.spans
        )
        return web.Response()

    app = web.Application()
    app.add_routes([web.post("/v1/traces", collect)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{runner.addresses[0][1]}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")

    try:
        async with tracing("events", "otlp") as tracer:
            for _ in range(3):
                tracer.begin(0, records(None)).acknowledged(Batch(1, 1, 1), 0)
    finally:
        await runner.cleanup()
    assert arrived == ["process events"] * 3


async def test_a_collector_that_never_answers_holds_neither_the_loop_nor_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")  # of the thread that outlives the test
    with socket.create_server(("127.0.0.1", 0)) as black_hole, capture_logs() as lines:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{black_hole.getsockname()[1]}")
        async with asyncio.TaskGroup() as tasks:
            turning = tasks.create_task(turn())
            async with tracing("events", "otlp", last_spans_s=0.2) as tracer:
                tracer.begin(0, records(None)).acknowledged(Batch(1, 1, 1), 0)
                turns = 0
            assert turns > 10
            turning.cancel()
    assert [line["client"] for line in lines] == ["the collector of traces"]
