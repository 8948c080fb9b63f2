"""Which upstream connection a request goes on: one of this client's own, an idle one, or a new one."""

from proxy.downstream.connection import ClientConnection
from proxy.errors import ClientGone, ConnectFailed, ConnectTimeout, ProxyError
from proxy.exchange.context import WorkerContext
from proxy.exchange.states import CONNECTING, AttemptState
from proxy.exchange.upload import RequestBody, Upload
from proxy.http1.fields import Fields
from proxy.http1.message import RequestHead
from proxy.policy.forwarded import trusted_scheme
from proxy.policy.proxy_status import AttemptResult, proxy_status
from proxy.policy.retry import CLOSED_IDLE, CONNECT_FAILURE
from proxy.telemetry.record import ExchangeRecord
from proxy.transport import fiber
from proxy.transport.fiber import Fiber
from proxy.transport.tls_stream import TlsStream
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.connection_limit import ConnectionLimit, Waiter
from proxy.upstream.origin import Origin
from proxy.upstream.pool import Lease
from proxy.upstream.service import Service


class Leasing:
    """The connections of one request, one after the other. `lease` is that of the attempt under way.

    The end of every attempt at an origin that the service chose is reported to it. One is made per request: so all
    attributes, those of `Attempts` included, are set by one call.
    """

    __slots__ = (
        "_client", "_context", "_opening", "_origin", "_record", "_replayable", "_state", "_status", "_tried",
        "_upload", "ended_by", "head", "lease", "request_body", "service",
    )  # fmt: skip

    def __init__(
        self, context: WorkerContext, service: Service, client: ClientConnection, head: RequestHead,
        record: ExchangeRecord, request_body: RequestBody | None = None,
    ) -> None:  # fmt: skip
        self._context = context
        self.service = service
        self._client = client
        self.head = head  # as it was received: balancing policies look at it
        self._record = record
        self.request_body = request_body
        self.lease: Lease | None = None
        self._origin: Origin | None = None  # of the attempt under way, whose end the service has not been told
        self._status = 0  # of the final response
        self._tried: tuple[Origin, ...] = ()  # where attempts have failed, the last one last
        self._opening: Fiber | None = None  # the fiber that waits for a connection
        self._replayable = True  # whether the body, if any, is still in our hands
        self._state: AttemptState = CONNECTING
        self._upload: Upload | None = None
        self.ended_by: ProxyError | None = None  # why it was abandoned: the cause of all errors that follow

    @property
    def client_address(self) -> str:
        """The client's address, for balancing policies."""
        return self._record.client

    def stated(self) -> Fields:
        """Field lines for the response that say how it came about: a cookie by which the client's next request comes to
        the same origin, and earlier attempts."""
        assert self.lease is not None
        lines = self._cookie(self.lease.connection.origin) if self.service.is_sticky else []
        if shown := self.shown_attempts(str(self._status)):
            lines.append(proxy_status(self._context.settings.pseudonym, None, shown))
        return lines

    def shown_attempts(self, result: str) -> list[AttemptResult]:
        """The attempts, if there were several, without inner addresses, for a client to read; `result` is the last
        one's."""
        record, alias = self._record, self.service.alias
        earlier = [each for each in record.earlier or () if each.reason != CLOSED_IDLE]
        if not earlier:
            return []
        return [*((alias(each.origin), each.result) for each in earlier), (alias(record.origin), result)]

    def _cookie(self, origin: Origin) -> Fields:
        identity, known = self._client.identity, self.head.known
        scheme = (trusted_scheme(known, self.head.options) if identity.trusted else b"") or identity.scheme
        line = self.service.cookie(self, origin, secured=scheme.lower() in (b"https", b"wss"))
        return [line] if line is not None else []

    def keep_for_client(self) -> None:
        """From now on, the connection is for this client's connection alone."""
        if self.lease is not None:
            self.lease.bind(self._client, self.service.name)

    def _lease_open(self) -> Lease | None:
        """A connection that is open already: one on which this client has logged in, or an idle one of the pool."""
        pool = self._context.pool
        if self._origin is None:
            lease = None
            if pool.bound.by_owner:
                replayable = self._replayable and self.head.method in self.service.repeatable
                lease = pool.lease_bound(self._client, self.service.name, replayable)
            if lease is not None:
                self._use_open(lease)
                return lease
            self._origin = self.service.choose(self)
        return self._lease_idle(self._origin)

    def _retry(self, reason: str, result: str, error: ProxyError | None = None) -> bool:
        """The attempt under way has failed. Choose where another one goes, if one may be made; return whether."""
        failed = self._origin
        if failed is None:  # on a connection of this client's own, for which there is no other
            return False
        tried = (*self._tried, failed)
        now = self._context.loop.time()
        another = self.service.retry(self, tried, reason, now, replayable=self._replayable, error=error)
        if another is None:
            return False
        self._go_to(another, tried, reason, result, error)
        return True

    def _go_to(
        self, another: Origin, tried: tuple[Origin, ...], reason: str, result: str, error: ProxyError | None
    ) -> None:
        self._tell_service(error)
        self._record.note_retry(result, reason, "" if error is None else error.proxy_status)
        self._tried, self._origin = tried, another

    async def _follow_name(self, error: ProxyError) -> bool:
        """No origin has accepted a connection: a service that was moved is where its name leads now, though nobody has
        told this worker yet. Return whether there is such an address, which is then tried."""
        failed = self._origin
        if failed is None or not failed.address or self._client.is_gone:
            return False
        self._tell_service(error)  # before the lookup: meanwhile, others would be sent there
        loop = self._context.loop
        self._opening = fiber.running
        try:
            addresses = await loop.create_task(self._context.pool.connector.addresses_now(failed.host))
        finally:
            self._opening = None
        tried, now = (*self._tried, failed), loop.time()
        another = self.service.origin_at_new_address(tried, addresses, now, error)
        if another is None:  # or the worker has been told of it meanwhile
            another = self.service.retry(self, tried, CONNECT_FAILURE, now, replayable=self._replayable, error=error)
        if another is None:
            return False
        self._go_to(another, tried, CONNECT_FAILURE, error.code, error)
        return True

    def _tell_service(self, error: ProxyError | None = None) -> None:
        origin, status = self._origin, self._status
        self._origin, self._status = None, 0
        if origin is not None:
            self.service.finished(origin, status, error)

    def _lease_idle(self, origin: Origin) -> Lease | None:
        """A connection that is open already, if the pool has one that this request may use."""
        replayable = self._replayable and self.head.method in self.service.repeatable
        lease = self._context.pool.lease_idle(origin, replayable)
        if lease is not None:
            self._use_open(lease)
        return lease

    def _use_open(self, lease: Lease) -> None:
        """Use a connection that was open already."""
        self.lease = lease
        record = self._record
        record.origin = lease.connection.label
        record.reused = True
        record.attempts += 1
        if record.seen is not None:
            connection = lease.connection
            record.seen.took(self._context.loop.time() - connection.open_since, connection.exchanges - 1)

    async def _lease_new(self, *, fresh: bool) -> Lease:
        """A connection that is opened for this request; without `fresh`, or an idle one where none can be.

        Raises ConnectFailed, ConnectTimeout, LimitReached, ClientGone.
        """
        while True:
            origin = self._origin = self._origin or self.service.choose(self)
            limit = self.service.limit
            if limit is not None and not limit.take(origin):
                lease = await self._wait_for_place(limit, origin, fresh=fresh)
                if lease is not None:
                    return lease
                origin = self._origin
            try:
                return await self._open(origin, limit)
            except (ConnectFailed, ConnectTimeout) as error:
                # Nothing was sent, so any request may go to the next one.
                if self._record.seen is not None:
                    self._record.seen.released(None)
                if not self._retry(CONNECT_FAILURE, error.code, error) and not await self._follow_name(error):
                    raise
                idle = None if fresh else self._lease_idle(self._origin)
                if idle is not None:
                    return idle

    async def _open(self, origin: Origin, limit: ConnectionLimit[UpstreamConnection] | None) -> Lease:
        """A new connection to one origin. Raises what `_lease_new` does."""
        record = self._record
        record.origin = origin.label
        record.reused = False
        record.attempts += 1
        self._opening = fiber.running
        if record.seen is not None:
            record.seen.opening()
        try:
            lease = self.lease = await self._context.pool.lease_fresh(origin, self._client.timeouts.connect_s, limit)
        finally:
            self._opening = None
        if record.seen is not None:
            stream = lease.connection.stream
            record.seen.opened(stream.handshake_began if isinstance(stream, TlsStream) else 0.0)
        if self._client.is_gone:
            raise ClientGone("the client closed the connection before the request was sent")
        return lease

    async def _wait_for_place(
        self, limit: ConnectionLimit[UpstreamConnection], origin: Origin, *, fresh: bool
    ) -> Lease | None:
        """Wait for a connection that another request gives back, which is returned, or for a place to open one, which
        is taken then: at `_origin`, which may be another one now. Raises LimitReached: `queue_full`, or
        `queue_timeout`."""
        pool = self._context.pool
        # One that this request has just closed, or one that it may not use: its place is free in a moment.
        soon = fresh or bool(self._tried) or pool.close_one_idle(origin)
        before: Waiter[UpstreamConnection] | None = None  # it had waited so far, and lost what it was granted
        if self._record.seen is not None:
            self._record.seen.mark("queued")
        while True:
            waiter = limit.enter(self.service.waits_for(self, origin, self._tried), soon=soon, before=before)
            self._opening = fiber.running
            try:
                granted = await waiter.future
            except BaseException:  # the client has left, or it took too long
                unused = limit.leave(waiter)
                if isinstance(unused, Origin):
                    limit.release(unused)
                elif unused is not None:
                    pool.put_back(unused)
                raise
            finally:
                self._opening = None
            reached = granted if isinstance(granted, Origin) else granted.origin
            if reached != origin:
                self.service.moved(origin, reached)
                origin = self._origin = reached
            if isinstance(granted, Origin):
                return None
            if fresh:
                granted.discard()  # its upstream may have closed this one, too
            else:
                replayable = self._replayable and self.head.method in self.service.repeatable
                if (lease := pool.lease_granted(granted, replayable)) is not None:
                    self._use_open(lease)
                    return lease
            soon, before = True, waiter
