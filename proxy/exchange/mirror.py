"""A copy of a request for another upstream, whose response is discarded.

It begins when the request's body has arrived whole, and after the request itself was sent. Nothing that becomes of it
reaches the client: where the body is too large, where many copies are under way, where the upstream is full, down or
slow, there is none.
"""

from typing import Final

from proxy.downstream.connection import ClientConnection
from proxy.errors import LimitReached, ProxyError, ResponseTimeout
from proxy.exchange.context import WorkerContext
from proxy.exchange.upload import RequestBody
from proxy.http1 import writer
from proxy.http1.fields import Fields
from proxy.http1.message import CHUNKED, FixedLength, RequestHead, ResponseHead
from proxy.http1.parsing.body import Body
from proxy.policy.plans import Forward
from proxy.policy.retry import IDEMPOTENT
from proxy.policy.route import Mirror
from proxy.policy.split import share
from proxy.telemetry.record import ExchangeRecord
from proxy.transport.fiber import Fiber
from proxy.upstream.connection import STALLED, UpstreamConnection
from proxy.upstream.pool import Lease
from proxy.upstream.service import Service

_MOST_COPIES: Final = 64  # under way at once, in a worker
_MOST_ANSWER_BYTES: Final = 1 << 20  # read of an answer, so that its connection can be used again
_MOST_INTERIM: Final = 16
_SALT: Final = 1  # else all mirrored requests would come from the same share of a split
_MILLION: Final = 1_000_000
#: Not sent with a copy: its body is complete, so its length is known and no 100 is waited for.
_BODY_FIELDS: Final = frozenset({b"expect", b"transfer-encoding", b"trailer"})


def mirror(
    to: Mirror,
    context: WorkerContext,
    client: ClientConnection,
    head: RequestHead,
    forward: Forward,
    body: RequestBody | None,
    record: ExchangeRecord,
) -> None:
    """Begin the copy of a request, if this is one of those that are copied. Never waits, never raises."""
    if forward.upgrade is not None or share(forward.request_id, _MILLION, _SALT) >= to.of_million:
        return
    too_large = isinstance(forward.framing, FixedLength) and forward.framing.length > context.replay_bytes
    if too_large or len(context.copies) >= _MOST_COPIES:
        return
    copy = _Copy(to, context, client, head, forward, record)
    context.copies.add(copy)
    if body is None:
        context.loop.call_soon(copy.send)
    else:
        body.copy = copy


class _Copy:
    """One copy, from the first piece of its body on."""

    def __init__(
        self,
        to: Mirror,
        context: WorkerContext,
        client: ClientConnection,
        head: RequestHead,
        forward: Forward,
        record: ExchangeRecord,
    ) -> None:
        self._to = to
        self._context = context
        self._timeouts, self._limits = client.timeouts, client.limits
        self.head = head
        self.client_address = record.client
        self._forward = forward
        self._pieces: list[bytes] = []
        self._fiber: Fiber | None = None  # once it is sent
        self._record = ExchangeRecord(record.client, record.started, record.request_id, head.method, forward.target)

    def take(self, pieces: list[bytes], body: Body) -> bool:
        """Take more of the body; return whether the rest is wanted, too."""
        self._pieces += pieces
        if body.received_bytes > self._context.replay_bytes:
            self.drop()
            return False
        if body.complete:
            self._context.loop.call_soon(self.send)
        return not body.complete

    def drop(self) -> None:
        """Give the copy up, or forget one that has ended."""
        self._context.copies.discard(self)

    def send(self) -> None:
        """Send the copy: the request is complete."""
        if self in self._context.copies:
            self._fiber = Fiber(self._run(), self._ended)
            self._fiber.resume()

    def stop(self) -> None:
        """Give the copy up, whatever becomes of it: the worker ends."""
        self.drop()
        if self._fiber is not None:
            self._fiber.cancel()

    def _ended(self, defect: BaseException | None) -> None:
        self.drop()
        if isinstance(defect, Exception):
            self._context.report_defect(defect, self._record.request_id)

    async def _run(self) -> None:
        context, record = self._context, self._record
        service = context.services[self._to.upstream]
        origin = service.choose(self)
        record.service, record.origin = service.name, origin.label
        error: ProxyError | None = None
        lease: Lease | None = None
        try:
            lease = context.pool.lease_idle(origin, replayable=self.head.method in IDEMPOTENT)
            record.reused = lease is not None
            if lease is None:
                if service.limit is not None and not service.limit.take(origin):
                    raise LimitReached("no connection is free for a copy", code="queue_full")
                record.attempts = 1
                lease = await context.pool.lease_fresh(origin, self._timeouts.connect_s, service.limit)
            record.attempts = 1
            await self._exchange(lease, service)
        except ProxyError as exc:
            error = exc
        finally:
            if lease is not None:
                lease.end()
            service.finished(origin, record.status, error)
        if record.attempts and context.events.mirrored is not None:
            context.events.mirrored(record)

    async def _exchange(self, lease: Lease, service: Service) -> None:
        loop, upstream = self._context.loop, lease.connection
        if upstream.limits is not self._limits:
            upstream.use(self._limits)
        upstream.stream.write(self._request())
        deadline = upstream.head_deadline = loop.time() + self._timeouts.response_head_s
        response = await self._first_head(upstream)
        for _ in range(_MOST_INTERIM):
            if response.status >= 200 or response.status == 101:
                break
            response = await upstream.read_head(self.head.method)
        if response.status < 200:
            return
        self._record.status = response.status
        if service.awaited_trials:
            service.responded(upstream.origin, response.status)
        upstream.arrived()
        while not upstream.body.complete and upstream.body.received_bytes <= _MOST_ANSWER_BYTES:
            await upstream.read_body(deadline)
        if upstream.body.complete:
            lease.give_back(request_complete=True)

    async def _first_head(self, upstream: UpstreamConnection) -> ResponseHead:
        try:
            return await upstream.read_head(self.head.method)
        except ResponseTimeout as error:
            if error.code != STALLED:
                raise
            return await upstream.read_head(self.head.method)  # a copy is not sent again: it keeps its whole time

    def _request(self) -> bytes:
        forward = self._forward
        body = b"".join(self._pieces)
        lines: Fields = [line for line in forward.fields if line[0].lower() not in _BODY_FIELDS]
        if self._to.host_override:
            lines[0] = (b"Host", self._to.host_override)
        if forward.framing is CHUNKED:
            lines.append((b"Content-Length", b"%d" % len(body)))
        return writer.request_head(self.head.method, forward.target, lines) + body
