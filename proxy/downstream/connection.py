"""One client connection: the keep-alive loop, and answers of our own.

Knows nothing of upstreams: what becomes of a request is the business of the `exchange` it is given.
"""

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final, Protocol, TypeAlias

from proxy.downstream.phases import ABANDONED, DELIVERING, ENDING, EXCHANGE, HEAD, IDLE, TUNNEL, Ending, Phase
from proxy.errors import BadRequest, ClientGone, ProtocolError, ProxyError, RequestOverdue, RequestTimeout
from proxy.http1.message import RequestHead
from proxy.http1.parsing.head_parser import HeadParser
from proxy.policy.forwarded import ClientIdentity
from proxy.policy.settings import Limits, Timeouts
from proxy.transport.closing import linger, reset_when_flushed, wait_flushed, wait_taken
from proxy.transport.deadlines import NEVER, Deadlines
from proxy.transport.fiber import yield_to_loop
from proxy.transport.stream import ConnectionEnded, PeerEnd, Stream

#: How long a client may take to begin a request that is likely on its way: the first one of a new connection while
#: others wait for its place; at shutdown the next one of any client, which cannot know yet that this worker ends.
NEXT_REQUEST_S: Final = 1.0
#: How long a client that has ended its side may still be waited for: `printf 'GET ...' | nc` asks, ends, and reads.
_GRACE_S: Final = 0.5

RunExchange: TypeAlias = "Callable[[ClientConnection, RequestHead, float], Awaitable[bool]]"
ReportUnread: TypeAlias = "Callable[[ClientConnection, ProxyError, float], Awaitable[None]]"
CLIENT_CLOSED: Final = "the client closed the connection"  # for the log; also where it has ended only its side


class Abandonable(Protocol):
    """What is under way for a client."""

    @property
    def is_uploading(self) -> bool:
        """Whether more of the client's request is on its way."""

    def abandon(self, error: ProxyError) -> None:
        """Nobody waits for the end of it any more, for this reason: end the work."""


class ClientConnection:
    """A client's connection, from its first byte to its last."""

    __slots__ = (
        "_deadlines", "_grace_ends", "_half_close", "_is_leaving", "_overdue_at", "_served_one", "_taken_mark",
        "ending", "exchange", "identity", "limits", "peer", "phase", "queued_before", "reader", "says_close", "stream",
        "timeouts", "waiting_since",
    )  # fmt: skip

    def __init__(
        self, stream: Stream, identity: ClientIdentity, peer: str, timeouts: Timeouts, limits: Limits,
        deadlines: Deadlines, *, fast_path: bool, half_close: bool = False,
    ) -> None:  # fmt: skip
        self.stream = stream
        self.identity = identity
        self.peer = peer
        self.timeouts = timeouts
        self.limits = limits
        self.reader = HeadParser(limits, fast_path=fast_path)
        self.says_close = False  # every answer says close: the worker ends, or newcomers wait for a place
        self.waiting_since = deadlines.loop.time()  # for a request, since then
        self.phase: Phase = IDLE
        self.ending = Ending.CLOSE
        self.exchange: Abandonable | None = None  # what is under way, once it costs an upstream anything
        self._half_close = half_close  # whether a client that has ended its side still waits for its response
        self._served_one = False
        self._is_leaving = False  # the worker ends: one more request at most is taken
        self._taken_mark = 0  # when its grace began
        self._deadlines = deadlines
        self.queued_before = 0  # bytes of earlier responses, untaken when the request under way got its time
        # Of a client that has ended its side; of the request under way. `stream.alarm_at` is the earlier one.
        self._grace_ends = self._overdue_at = NEVER
        stream.owner = self

    async def serve(self, run_exchange: RunExchange, report_unread: ReportUnread) -> None:
        """Carry requests until one side closes. Every request read is answered or visibly cut; none raises here."""
        started = 0.0
        try:
            while True:
                waiting_since = self.waiting_since = self._deadlines.loop.time()  # monotonic; uvloop's in milliseconds
                try:
                    head = await self._next_request(waiting_since)
                except ProxyError as error:
                    # The loop's time lags by up to a millisecond: by it alone, a refusal could be older than the
                    # request that was answered before.
                    await report_unread(self, error, max(waiting_since, started))
                    return
                if head is None:
                    return
                if self.stream.at_eof:
                    if self.stream.is_ended:
                        return  # nobody is left to answer: nothing more is started
                    self._begin_grace()
                self.phase = EXCHANGE
                if self.timeouts.request_total_s:
                    self.limit_total()
                started = monotonic()
                goes_on = await run_exchange(self, head, started)
                self.exchange = head = None  # its fields are not kept for as long as the connection idles
                if self.stream.alarm_at != NEVER:
                    self._clear_alarm()
                if not goes_on or self.phase is ABANDONED:
                    return
                self._served_one = True
                if self.reader.unread:
                    # Pipelined requests that are answered without a wait would keep the loop from everybody else.
                    await yield_to_loop()
        except Exception:
            self.ending = Ending.RESET
            raise
        finally:
            await self.end()

    async def end(self) -> None:
        """Close as `ending` says, and wait until the client has taken what it was sent. Twice does no harm."""
        if self.phase is ENDING:
            return
        self.phase = ENDING
        if self.ending is Ending.RESET:
            await reset_when_flushed(self.stream, self.timeouts.client_write_idle_s)
        elif self.ending is Ending.LINGER and not self.stream.is_ended:
            await linger(self.stream, self.timeouts.linger_s, self.timeouts.linger_total_s)
        self.stream.close()
        await wait_flushed(self.stream)

    async def deliver_cut(self, *, only_the_end_delimits: bool) -> int:
        """Behind a response that was cut: deliver what was written, however slowly the client takes it; then end it so
        that the client sees the cut, if need be by a reset. Returns how many bytes the client has not taken."""
        self.phase = DELIVERING
        self._clear_alarm()
        if self.stream.is_ended:
            pass
        elif only_the_end_delimits:
            await reset_when_flushed(self.stream, self.timeouts.client_write_idle_s)
        else:
            self.ending = Ending.LINGER
            self.stream.end_writing()
            await wait_taken(self.stream, self.timeouts.client_write_idle_s)
        return self.stream.untaken_bytes()

    @property
    def is_gone(self) -> bool:
        """Whether nobody waits for the response of the exchange under way."""
        return self.phase is ABANDONED or self.stream.is_ended

    def begin_tunnel(self) -> None:
        """From here on, what ends one side is passed on to the other."""
        self.phase = TUNNEL
        self.exchange = None  # what a client that breaks the tunnel has said before that goes upstream first
        self._clear_alarm()

    async def _next_request(self, waiting_since: float) -> RequestHead | None:
        """The next request, or None: the client is done. Raises BadRequest, RequestTimeout."""
        reader, timeouts = self.reader, self.timeouts
        # A browser opens connections ahead of need: silence before the first byte is no fault.
        deadline = waiting_since + (timeouts.client_idle_s if self._served_one else timeouts.request_head_s)
        head_deadline = 0.0
        while True:
            try:
                head = reader.request_head() if reader.unread else None
            except ProtocolError as exc:
                raise BadRequest.of(exc) from exc
            if head is not None:
                return head
            begun = reader.unread and reader.unread[:5].strip(b"\r\n")  # a line end behind the last body is no request
            if begun and not head_deadline:
                head_deadline = deadline = self._deadlines.loop.time() + timeouts.request_head_s
            if self.says_close and not begun and not self.stream.has_unread():
                if self._is_leaving:
                    deadline = min(deadline, self._deadlines.loop.time() + NEXT_REQUEST_S)
                elif self._served_one:
                    # Its next request may be on the way: a reset could destroy the answer before.
                    self.ending = Ending.LINGER
                    return None
            self.phase = HEAD if begun else IDLE
            try:
                data = await self.stream.read(deadline)
            except ConnectionEnded:
                return None
            except TimeoutError as exc:
                if begun:
                    raise RequestTimeout("the request head did not arrive in time") from exc
                if self.stream.has_arrived():  # in time: the event loop was held up
                    deadline = self._deadlines.loop.time() + NEXT_REQUEST_S
                    continue
                self.ending = Ending.LINGER if self.stream.untaken_bytes() else Ending.CLOSE
                return None
            if not data:
                if begun:
                    raise BadRequest("the connection ended within a request head", code="request_cut")
                return None
            reader.receive(data)

    def shut_down(self) -> None:
        """Finish what is under way, then wait for one more request, for `NEXT_REQUEST_S`. Its answer says close."""
        self.says_close = self._is_leaving = True
        if self.phase is IDLE:
            self.stream.set_read_deadline(self._deadlines.loop.time() + NEXT_REQUEST_S)

    def is_idle(self, now: float) -> bool:
        """Whether closing it loses nothing that is known of: it waits for a request, and has taken every answer. A new
        connection, whose first request is likely on its way, gets a moment for it."""
        is_waiting = self.phase is IDLE and (self._served_one or now - self.waiting_since > NEXT_REQUEST_S)
        return is_waiting and not (self.stream.has_unread() or self.stream.transport.get_write_buffer_size())

    async def wait_for_client(self) -> None:
        """Wait until the client has read enough. Raises ClientGone."""
        if not self.stream.must_drain():
            return
        try:
            await self.stream.drain(self.timeouts.client_write_idle_s)
        except TimeoutError as exc:
            self.stream.reset()
            raise ClientGone("the client stopped reading", code="client_write_timeout") from exc
        except ConnectionEnded as exc:
            raise ClientGone(CLIENT_CLOSED) from exc

    # -- what the stream tells -----------------------------------------------------------------------------------

    def connection_lost(self) -> None:
        if self.exchange is not None:
            self.exchange.abandon(ClientGone(CLIENT_CLOSED))

    def peer_ended(self, end: PeerEnd) -> None:
        """No more requests come. Whether the client still waits for its response, the grace period decides."""
        if self.phase is not EXCHANGE:
            return
        if end is PeerEnd.RESET:
            self.stream.abort()
        elif self._grace_ends == NEVER:
            self._begin_grace()

    def alarm(self) -> None:
        """The request's total time is over, or the grace period of a client that has ended its side."""
        if self._overdue_at < self._deadlines.loop.time():
            self._overdue_at = NEVER
            self._set_alarm()
            if not self.is_gone:
                self._interrupt(RequestOverdue(f"not answered in {self.timeouts.request_total_s:g} s"))
            return
        self._grace_ends = NEVER
        self._set_alarm()
        if self.phase is not EXCHANGE:
            return
        if self.exchange is not None and self.exchange.is_uploading:
            self._begin_grace()  # the rest of its body is under way; where it is cut short, its reader finds out
            return
        if self.stream.untaken_bytes() and self.stream.taken_mark() != self._taken_mark:
            self._begin_grace()  # it is reading what has come: `printf ... | nc` behind a large answer
            return
        self.phase = ABANDONED
        self._interrupt(ClientGone(CLIENT_CLOSED))

    def _interrupt(self, error: ProxyError) -> None:
        """End the exchange under way. It may run to its end before this returns, so nothing follows."""
        if not self.stream.interrupt_writer(error) and self.exchange is not None:
            self.exchange.abandon(error)

    def _begin_grace(self) -> None:
        if not self._half_close:
            self._taken_mark = self.stream.taken_mark()
            self._grace_ends = self._deadlines.loop.time() + _GRACE_S
            self._set_alarm()

    def limit_total(self) -> None:
        """From now on, the request under way has `timeouts.request_total_s`."""
        total_s = self.timeouts.request_total_s
        self._overdue_at = self._deadlines.loop.time() + total_s if total_s else NEVER
        self.queued_before = self.stream.untaken_bytes() if total_s else 0
        self._set_alarm()

    def _set_alarm(self) -> None:
        self.stream.alarm_at = min(self._grace_ends, self._overdue_at)

    def _clear_alarm(self) -> None:
        self._grace_ends = self._overdue_at = self.stream.alarm_at = NEVER
