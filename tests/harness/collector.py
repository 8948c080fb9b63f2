"""A collector of spans: takes OTLP over HTTP, as protobuf, and keeps what it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Encoded

from tests.harness.scripted import PATIENCE_S, Peer, ScriptedUpstream, fields_of

TAKEN = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"

SERVER, CLIENT, ERROR = Encoded.SPAN_KIND_SERVER, Encoded.SPAN_KIND_CLIENT, 2


class Span:
    """One span, ids in hex digits."""

    def __init__(self, encoded: Encoded, resource: dict[str, Any]) -> None:
        self.name, self.kind, self.status = encoded.name, encoded.kind, encoded.status.code
        self.trace_id, self.span_id = encoded.trace_id.hex(), encoded.span_id.hex()
        self.parent_id = encoded.parent_span_id.hex()
        self.began_s, self.ended_s = encoded.start_time_unix_nano / 1e9, encoded.end_time_unix_nano / 1e9
        self.attributes = _values(encoded.attributes)
        self.resource = resource

    def __repr__(self) -> str:
        return f"{self.name} {self.attributes}"


class Collector:
    """What it was told, by requests: `heads`, and `spans` of all of them."""

    def __init__(self, answer: bytes = TAKEN) -> None:
        self.answer = answer
        self.heads: list[bytes] = []
        self.spans: list[Span] = []
        self.port = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._changed = asyncio.Event()

    @property
    def endpoint(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self.port}"

    async def wait_for(self, count: int) -> list[Span]:
        """Wait until so many spans have come; all that have."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.spans) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.spans

    async def asked(self) -> None:
        """Wait until there was a request, answered or not."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.heads:
                self._changed.clear()
                await self._changed.wait()

    async def converse(self, peer: Peer) -> None:
        """Take what one connection brings."""
        while True:
            try:
                head = await peer.head()
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            body = await peer.exactly(int(fields_of(head)["content-length"][0]))
            self.heads.append(head)
            self._changed.set()
            await self.may_answer.wait()
            told = ExportTraceServiceRequest.FromString(body)
            for of_resource in told.resource_spans:
                resource = _values(of_resource.resource.attributes)
                for scope in of_resource.scope_spans:
                    self.spans += [Span(span, resource) for span in scope.spans]
            self._changed.set()
            await peer.send(self.answer)


@asynccontextmanager
async def collector(answer: bytes = TAKEN) -> AsyncIterator[Collector]:
    """A collector that answers every request alike."""
    collecting = Collector(answer)
    async with ScriptedUpstream(collecting.converse).serving() as service:
        collecting.port = service.port
        yield collecting


def _values(attributes: Any) -> dict[str, Any]:
    found = {}
    for each in attributes:
        kind = each.value.WhichOneof("value")
        found[each.key] = getattr(each.value, kind)
    return found
