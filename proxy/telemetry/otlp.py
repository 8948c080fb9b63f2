"""Exports spans to a collector by OpenTelemetry: OTLP over HTTP, in a thread of its own.

The only module that imports OpenTelemetry, which the extra `otlp` brings: it is itself imported only where an endpoint
is configured, in workers. The event loop makes spans and queues them; it never waits for a collector. Spans that find
no room in the queue, or that no collector accepts, are dropped and counted.
"""

import asyncio
import contextlib
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from opentelemetry import trace as api
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from proxy import __version__
from proxy.telemetry.events import Sink
from proxy.telemetry.record import ExchangeRecord
from proxy.telemetry.spans import Described, Span, spans

_MOST_WAITING: Final = 4096  # spans, some 2 KiB each: twice what OpenTelemetry's own processor keeps
_BATCH: Final = 256  # spans of a request to the collector
_PAUSE_S: Final = 1.0  # in which spans are gathered
_EXPORT_S: Final = 5.0  # for the collector to take a batch, repetitions included
#: Encoding takes milliseconds, and with CPython's default of 5 ms the event loop would wait that long for the GIL.
_SWITCH_S: Final = 0.0005


class Exporter(SpanProcessor):
    """Hands spans that have ended to a collector, in batches."""

    def __init__(self, exporter: SpanExporter, warn: Callable[[str], None], count: Callable[[int, int], None]) -> None:
        """`count` is called with how many were exported and how many dropped, in either thread."""
        self._exporter = exporter
        self._warn = warn
        self._count = count
        self._loop = asyncio.get_running_loop()
        self._finished = asyncio.Event()
        self._waiting: deque[ReadableSpan] = deque()
        self._wake = threading.Event()
        self._is_closing = False
        self._thread = threading.Thread(target=self._export, name="otlp", daemon=True)
        self._thread.start()

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span, if there is room. Never waits."""
        if len(self._waiting) >= _MOST_WAITING:
            self._count(0, 1)
            return
        self._waiting.append(span)
        if len(self._waiting) == _BATCH:
            self._wake.set()

    def export_all(self) -> None:
        """Export at once all that is queued, and end then. Spans that end meanwhile are still taken."""
        self._is_closing = True
        self._wake.set()

    async def close(self, patience_s: float) -> None:
        """Export what is queued for at most `patience_s`, and drop the rest."""
        self.export_all()
        try:
            async with asyncio.timeout(patience_s):
                await self._finished.wait()
        except TimeoutError:
            left = len(self._waiting)
            self._waiting.clear()
            self._count(0, left)
        self._exporter.shutdown()  # interrupts a pause before a repetition

    def _export(self) -> None:
        while True:
            if not self._is_closing:
                self._wake.wait(_PAUSE_S)
                self._wake.clear()
            while self._waiting:
                self._export_batch()
            if self._is_closing and not self._waiting:
                break
        with contextlib.suppress(RuntimeError):  # the event loop has ended: `close` gave up before
            self._loop.call_soon_threadsafe(self._finished.set)

    def _export_batch(self) -> None:
        batch: list[ReadableSpan] = []
        with contextlib.suppress(IndexError):  # the other thread dropped them meanwhile
            while len(batch) < _BATCH:
                batch.append(self._waiting.popleft())
        try:
            taken = self._exporter.export(batch) is SpanExportResult.SUCCESS
        except Exception as exc:  # of a library: the next batch is tried
            self._warn(f"tracing: spans were not exported: {type(exc).__name__}")
            taken = False
        self._count(len(batch) if taken else 0, 0 if taken else len(batch))


class _GivenIds(IdGenerator):
    """Returns ids that are known already: the request to the service carries them."""

    def __init__(self) -> None:
        self.trace_id = self.span_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id


class _ToErrorLog(logging.Handler):
    """Passes OpenTelemetry's messages to the error log."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._warn = warn

    def emit(self, record: logging.LogRecord) -> None:
        self._warn(f"tracing: {record.getMessage()}")


class Tracing:
    """The spans of one worker."""

    def __init__(
        self, endpoint: str, described: Described, *, service: str, instance: str,
        warn: Callable[[str], None], count: Callable[[int, int], None],
    ) -> None:  # fmt: skip
        """`service` and `instance` name the source of spans; OTEL_SERVICE_NAME takes precedence. `warn` and `count` are
        called from another thread."""
        logger = logging.getLogger("opentelemetry")
        logger.handlers, logger.propagate = [_ToErrorLog(warn)], False
        sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_S))
        self._described = described
        self._ids = _GivenIds()
        self._exporter = Exporter(OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_S), warn, count)
        resource = Resource.create({SERVICE_INSTANCE_ID: instance, SERVICE_VERSION: __version__})
        if str(resource.attributes.get(SERVICE_NAME, "unknown_service")).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: service}))
        provider = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False, id_generator=self._ids)
        provider.add_span_processor(self._exporter)
        self._tracer = provider.get_tracer("onehop", __version__)

    @property
    def sink(self) -> Sink:
        """The events that it listens to."""
        return Sink(ended=self._ended)

    def export_all(self) -> None:
        """Begin to export what is left, without waiting for it."""
        self._exporter.export_all()

    async def close(self, patience_s: float) -> None:
        """Wait until it is exported, for at most `patience_s`."""
        await self._exporter.close(patience_s)

    def _ended(self, record: ExchangeRecord) -> None:
        trace = record.trace
        if trace is None or not trace.is_sampled or record.is_health_check:
            return
        offset_ns = time.time_ns() - time.monotonic_ns()
        for span in spans(record, trace, self._described):
            self._make(span, trace.trace_id, offset_ns)

    def _make(self, span: Span, trace_id: str, offset_ns: int) -> None:
        ids = self._ids
        ids.trace_id, ids.span_id = int(trace_id, 16), int(span.span_id, 16)
        context = None
        if span.parent_id:
            parent = SpanContext(
                ids.trace_id, int(span.parent_id, 16), is_remote=span.is_server, trace_flags=TraceFlags(1)
            )
            context = api.set_span_in_context(api.NonRecordingSpan(parent))
        made = self._tracer.start_span(
            span.name,
            context,
            SpanKind.SERVER if span.is_server else SpanKind.CLIENT,
            span.attributes,
            start_time=int(span.began * 1e9) + offset_ns,
        )
        if span.is_error:
            made.set_status(Status(StatusCode.ERROR))
        made.end(int(span.ended * 1e9) + offset_ns)
