"""Which upstream connection a request goes on: one of this client's own, an idle one, or a new one."""

import msgspec

from proxy.downstream.connection import ClientConnection
from proxy.errors import ClientGone, ConnectFailed, ConnectTimeout, ProxyError
from proxy.exchange.context import WorkerContext
from proxy.http1.fields import Fields
from proxy.http1.message import RequestHead
from proxy.policy.forwarded import trusted_scheme
from proxy.policy.retry import may_replay
from proxy.telemetry.record import ExchangeRecord
from proxy.transport import fiber
from proxy.transport.fiber import Fiber
from proxy.upstream.origin import Origin
from proxy.upstream.pool import Lease
from proxy.upstream.service import Service


class Leasing(msgspec.Struct, eq=False):
    """The connections of one request, one after the other. `lease` is that of the attempt under way.

    The service is told of the end of every attempt at an origin that it chose. A Struct, because one is made per
    request, and `__init__` would cost four times as much.
    """

    _context: WorkerContext
    service: Service
    _client: ClientConnection
    head: RequestHead  # as it was received: balancing policies look at it
    _record: ExchangeRecord
    _origin: Origin | None = None  # of the attempt under way, whose end the service has not been told
    _status: int = 0  # of the final response
    _opening: Fiber | None = None  # who waits for a connection to be opened
    _replayable: bool = True  # whether the body, if any, is still in our hands
    lease: Lease | None = None

    @property
    def client_address(self) -> str:
        """Who sent the request, for balancing policies."""
        return self._record.client

    def cookies(self) -> Fields:
        """What the response tells the client to keep, so that its next request comes to the same origin."""
        assert self.lease is not None
        identity, known = self._client.identity, self.head.known
        scheme = (trusted_scheme(known, self.head.options) if identity.trusted else b"") or identity.scheme
        line = self.service.cookie(self, self.lease.connection.origin, secured=scheme.lower() in (b"https", b"wss"))
        return [line] if line is not None else []

    def keep_for_client(self) -> None:
        """From now on, the connection is for this client's connection alone."""
        if self.lease is not None:
            self.lease.bind(self._client, self.service.name)

    def _lease_open(self) -> Lease | None:
        """A connection that is open already, for a first attempt: one on which this client has logged in,
        or an idle one of the pool."""
        pool = self._context.pool
        lease = pool.lease_bound(self._client, self.service.name) if pool.bound.by_owner else None
        if lease is None:
            origin = self._origin = self.service.choose(self)
            assert origin is not None  # nothing has been tried
            return self._lease_idle(origin)
        self._use_open(lease)
        return lease

    async def _lease_new(self, *, fresh: bool) -> Lease:
        """A connection that is opened for this request; without `fresh`, or an idle one where none can be.

        Raises ConnectFailed, ConnectTimeout, LimitReached, ClientGone.
        """
        origin = self._origin or self.service.choose(self)
        assert origin is not None
        self._origin = origin
        return await self._lease_at(origin, fresh=fresh)

    def _tell_service(self, error: ProxyError | None = None) -> None:
        origin, self._origin = self._origin, None
        if origin is not None:
            self.service.finished(origin, self._status, error)

    def _lease_idle(self, origin: Origin) -> Lease | None:
        """A connection that is open already, if the pool has one that this request may use."""
        replayable = may_replay(self.head.method, body_replayable=self._replayable)
        lease = self._context.pool.lease_idle(origin, replayable=replayable)
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

    async def _lease_at(self, origin: Origin, *, fresh: bool) -> Lease:
        """A connection to this origin, or else to the next one: an idle one, or the first that can be opened."""
        tried: tuple[Origin, ...] = ()
        while True:
            lease = self._lease_idle(origin) if tried and not fresh else None
            if lease is not None:
                return lease
            self._record.origin = origin.label
            self._record.reused = False
            self._record.attempts += 1
            self._opening = fiber.running
            try:
                lease = self.lease = await self._context.pool.lease_fresh(origin, self._client.timeouts.connect_s)
            except (ConnectFailed, ConnectTimeout) as error:
                # Nothing was sent, so any request may go to the next one.
                self._tell_service(error)
                tried = (*tried, origin)
                another = self._origin = self.service.choose(self, tried)
                if another is None:
                    raise
                self._record.note_retry(error.code, "connect_failure")
                origin = another
                continue
            finally:
                self._opening = None
            if self._client.is_gone:
                raise ClientGone("the client closed the connection before the request was sent")
            return lease
