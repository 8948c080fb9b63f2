"""A request's body: how it is read from the client, and how it goes up beside the response that comes down.

Both directions run at once where the body did not arrive whole with its head: an upstream may answer early, and some
answer while they read.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from proxy.downstream.connection import ClientConnection
from proxy.errors import (
    BadRequest,
    ClientGone,
    InternalError,
    ProtocolError,
    ProxyError,
    RequestTimeout,
    UpstreamClosed,
)
from proxy.exchange.copy_body import BodySink, copy_body
from proxy.exchange.states import Continue, UploadState
from proxy.http1.message import UNTIL_CLOSE, BodyFraming
from proxy.http1.parsing.body import Body
from proxy.http1.parsing.chunked import ChunkedBody
from proxy.policy.request_plan import check_body_size
from proxy.policy.settings import Limits
from proxy.transport.body_reader import BodyCutShort, BodyReader
from proxy.transport.fiber import Fiber
from proxy.transport.stream import ConnectionEnded, Stream
from proxy.upstream.connection import UpstreamConnection

#: Seconds of waiting for a body's sender over which its rate is checked: fewer would punish a lossy radio link.
RATE_WINDOW_S: Final = 10.0


class MinimumRate:
    """The least rate at which a body must arrive, checked over each 10 s spent waiting for its sender. Time spent
    waiting for the service, or by the client for its 100, does not count."""

    __slots__ = ("_bytes", "_bytes_per_s", "_waited_s", "_waiting_since", "held_back")

    def __init__(self, bytes_per_s: int) -> None:
        self._bytes_per_s = bytes_per_s
        self._waited_s = 0.0
        self._waiting_since = 0.0  # loop time
        self._bytes = 0
        self.held_back = False  # the client waits for a 100: its time has not begun

    def wait(self, now: float) -> float:
        """Begin to wait for the sender, at `now`; return when its rate is to be checked (both loop time)."""
        self._waiting_since = now
        return now + RATE_WINDOW_S - self._waited_s

    def release(self, now: float) -> None:
        """The client got its 100 at `now`: its time begins."""
        self.held_back = False
        self._waiting_since, self._waited_s, self._bytes = now, 0.0, 0

    def too_slow(self, arrived_bytes: int, now: float) -> bool:
        """Count the bytes that the wait has brought; return whether a window has ended with too few."""
        if self.held_back and not arrived_bytes:
            return False
        self.held_back = False  # it sends without waiting
        self._bytes += arrived_bytes
        self._waited_s += now - self._waiting_since
        if self._waited_s < RATE_WINDOW_S:
            return False
        slow = self._bytes < self._bytes_per_s * self._waited_s
        self._waited_s, self._bytes = 0.0, 0
        return slow


class Copy(Protocol):
    """Gets a body that is on its way to an upstream, too."""

    def take(self, pieces: list[bytes], body: Body) -> bool:
        """Take more of it; return whether the rest is wanted, too."""

    def drop(self) -> None:
        """No more comes: give the copy up."""


class RequestBody:
    """A request's body as it arrives, with the limits on its size and its rate, and the errors that its client is
    told."""

    __slots__ = ("_limit_bytes", "_reader", "body", "copy", "rate")

    def __init__(self, client: ClientConnection, framing: BodyFraming, limits: Limits) -> None:
        """A limit of 0 means none. A declared length has been checked by the plan."""
        self._limit_bytes = limits.request_body_bytes
        rate = limits.request_minimum_bytes_per_s
        self.rate = MinimumRate(rate) if rate else None
        self.copy: Copy | None = None  # gets the body, too
        self._reader = BodyReader(client.stream, client.reader)
        self._reader.begin(framing)
        self.body: Body = self._reader.body

    def arrived(self) -> list[bytes]:
        """What came with the head. Raises BadRequest (400 broken coding, 413)."""
        try:
            pieces = self._reader.arrived()
        except ProtocolError as exc:
            raise BadRequest.of(exc) from exc
        check_body_size(self.body.received_bytes, self._limit_bytes)
        if self.copy is not None and not self.copy.take(pieces, self.body):
            self.copy = None
        return pieces

    async def read_body(self, deadline: float) -> list[bytes]:
        """More of it. Raises BadRequest (400 broken coding or cut short, 413), RequestTimeout, ClientGone."""
        try:
            pieces = await (self._reader.read(deadline) if self.rate is None else self._read_at(self.rate, deadline))
        except ProtocolError as exc:
            raise BadRequest.of(exc) from exc
        except TimeoutError as exc:
            raise RequestTimeout("the request body did not arrive in time") from exc
        except BodyCutShort as exc:
            raise BadRequest("the connection ended within the request body", code="request_body_cut") from exc
        except ConnectionEnded as exc:
            raise ClientGone("the client closed the connection within its request") from exc
        check_body_size(self.body.received_bytes, self._limit_bytes)
        if self.copy is not None and not self.copy.take(pieces, self.body):
            self.copy = None
        return pieces

    @property
    def only_counts(self) -> bool:
        """Whether what arrives is only counted: no copy is kept of it, its rate is not limited, nor is the length of a
        chunked body. (A declared length has been checked.)"""
        is_bounded = self._limit_bytes and isinstance(self.body, ChunkedBody)
        return self.copy is None and self.rate is None and not is_bounded

    @property
    def stream(self) -> Stream:
        """The client's connection."""
        return self._reader.stream

    def time(self) -> float:
        """The loop's time."""
        return self._reader.stream.time()

    async def _read_at(self, rate: MinimumRate, deadline: float) -> list[bytes]:
        """Read, and raise TimeoutError where the idle limit has passed; RequestTimeout where too little comes."""
        stream = self._reader.stream
        while True:
            before = self.body.received_bytes
            pieces: list[bytes] | None = None
            try:
                pieces = await self._reader.read(min(deadline, rate.wait(stream.time())))
            except TimeoutError:
                if stream.time() >= deadline:
                    raise
            if rate.too_slow(self.body.received_bytes - before, stream.time()) and not self.body.complete:
                raise RequestTimeout("the request body arrived too slowly", code="request_too_slow")
            if pieces is not None:
                return pieces


class Upload:
    """Carries a request's body upstream. Raises nothing: the exchange asks for `state` and `error`, and decides."""

    __slots__ = ("_fiber", "_on_end", "_patience", "_sink", "_source", "error", "expectation", "state")

    def __init__(self, source: RequestBody, sink: BodySink, on_end: Callable[[], None]) -> None:
        """`on_end` is called once the body has been sent, or has failed."""
        self._source = source
        self._sink = sink
        self._on_end: Callable[[], None] | None = on_end  # until it is called: its owner keeps us, too
        self._fiber: Fiber | None = None
        self._patience: asyncio.TimerHandle | None = None  # with an upstream that is silent about `Expect`
        self.state = UploadState.SENDING
        self.expectation = Continue.NOT_EXPECTED
        self.error: ProxyError | None = None

    def start(self, request_head: bytes, arrived: list[bytes], deadline: Callable[[], float]) -> None:
        """Write the head and what has arrived; the rest, if any, is carried by a fiber of its own. `deadline` says by
        when its next bytes are due (loop time)."""
        self._sink.write(arrived, self._source.body, request_head)
        if self._source.body.complete:
            self._end(UploadState.SENT)
        else:
            self._fiber = Fiber(self._run(deadline))
            self._fiber.resume()

    def stop(self) -> None:
        """Carry no more of it. Twice does no harm."""
        self._cancel_patience()
        if self.state is UploadState.SENDING:
            self.state = UploadState.STOPPED
        if self._fiber is not None:
            self._fiber.cancel()

    async def join(self) -> None:
        """Wait until it has been sent, or stopped."""
        if self._fiber is not None:
            await self._fiber.join()

    def first_100(self) -> bool:
        """Note a 100 from the upstream; return whether it is to be passed on: not if we have sent one."""
        sent_by_us = self.expectation is Continue.SENT_BY_US
        if self.expectation is not Continue.NOT_EXPECTED:
            self._may_send(Continue.SENT_BY_UPSTREAM)
        return not sent_by_us

    def await_100(self, patience: asyncio.TimerHandle) -> None:
        """The client holds the body back until it gets a 100: from the upstream, or from us when `patience` fires."""
        self.expectation = Continue.AWAITED
        self._patience = patience
        if self._source.rate is not None:
            self._source.rate.held_back = True

    def sent_100(self) -> None:
        """Note that we have sent a 100."""
        self._may_send(Continue.SENT_BY_US)

    def _may_send(self, expectation: Continue) -> None:
        self._cancel_patience()
        if self.expectation is Continue.AWAITED and self._source.rate is not None:
            self._source.rate.release(self._source.time())
        self.expectation = expectation

    def _cancel_patience(self) -> None:
        """The timer would keep the whole exchange in memory until it fires."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _may_finish_after_response(self, upstream: UpstreamConnection) -> bool:
        """Whether the rest of the body goes up, though a final response has begun: the upstream has neither said close
        nor closed, and the client does not wait for a 100: without one, it may send none (RFC 9110 §10.1.1)."""
        return (
            self.state is UploadState.SENDING
            and upstream.stays_open
            and upstream.framing is not UNTIL_CLOSE
            and not upstream.stream.at_eof
            and self.expectation is not Continue.AWAITED
        )

    async def finish_after_response(self, upstream: UpstreamConnection) -> ProxyError | None:
        """The response is complete. Carry the body to its end all the same, unless the upstream closes or says what no
        request asked for; return why it was not sent whole, if that is worth a line in the log."""
        if self._may_finish_after_response(upstream):
            upstream.stream.watcher = self.stop
            try:
                await self.join()
            finally:
                upstream.stream.watcher = None
        self.stop()
        if self.state is UploadState.SENT or self.expectation is Continue.AWAITED:
            return None
        return self.error or UpstreamClosed(
            f"{upstream.origin} ended its response and read no more of the request", code="upload_given_up"
        )

    async def _run(self, deadline: Callable[[], float]) -> None:
        try:
            await copy_body(self._source, self._sink, deadline)
        except UpstreamClosed:
            self._end(UploadState.STOPPED)  # the exchange reads what the upstream sent before it closed
        except ProxyError as error:
            self._end(UploadState.STOPPED, error)
        except Exception as exc:  # a defect of ours: the exchange reports it
            self._end(UploadState.STOPPED, InternalError.from_defect(exc))
        else:
            self._end(UploadState.SENT)

    def _end(self, state: UploadState, error: ProxyError | None = None) -> None:
        self._cancel_patience()
        self.state = state
        self.error = error
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end()
