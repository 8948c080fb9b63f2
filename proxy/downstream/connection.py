"""One client connection: the keep-alive loop, and answers of our own.

Knows nothing of upstreams: what becomes of a request is the business of the `exchange` it is given.
"""

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeAlias

from proxy.errors import BadRequest, ClientGone, ProxyError, RequestTimeout
from proxy.http1 import writer
from proxy.http1.message import RequestHead
from proxy.http1.parsing.head_parser import HeadParser
from proxy.policy.forwarded import ClientIdentity
from proxy.policy.local_responses import LocalResponse
from proxy.policy.settings import Limits, Timeouts
from proxy.telemetry.record import ExchangeRecord
from proxy.transport.closing import linger, wait_flushed
from proxy.transport.deadlines import Deadlines
from proxy.transport.fiber import yield_to_loop
from proxy.transport.stream import ConnectionEnded, PeerEnd, Stream

#: How long a connection that has not yet sent anything is waited for when shutting_down.
_FIRST_REQUEST_S = 1.0

RunExchange: TypeAlias = "Callable[[ClientConnection, RequestHead, float], Awaitable[bool]]"
ReportUnread: TypeAlias = "Callable[[ClientConnection, ProxyError, float], Awaitable[None]]"


class ClientConnection:
    """A client's connection, from its first byte to its last."""

    __slots__ = (
        "_deadlines",
        "_served_one",
        "abandon",
        "identity",
        "limits",
        "must_linger",
        "peer",
        "reader",
        "shutting_down",
        "stream",
        "timeouts",
        "waits_for_request",
    )  # fmt: skip

    def __init__(
        self, stream: Stream, identity: ClientIdentity, peer: str, timeouts: Timeouts, limits: Limits,
        deadlines: Deadlines, *, fast_path: bool,
    ) -> None:  # fmt: skip
        self.stream = stream
        self.identity = identity
        self.peer = peer
        self.timeouts = timeouts
        self.limits = limits
        self.reader = HeadParser(limits, fast_path=fast_path)
        self.shutting_down = False
        #: Whether the client may still be sending, and would lose our answer to a reset if we just closed.
        self.must_linger = False
        self.waits_for_request = False
        #: What the exchange under way does when the client's connection breaks.
        self.abandon: Callable[[], None] | None = None
        self._served_one = False
        self._deadlines = deadlines
        stream.owner = self

    async def serve(self, run_exchange: RunExchange, report_unread: ReportUnread) -> None:
        """Carry requests until one side closes. Every request read is answered or visibly cut; none raises here."""
        try:
            while True:
                waiting_since = self._deadlines.loop.time()  # monotonic, if only to the millisecond
                try:
                    head = await self._next_request(waiting_since)
                except ProxyError as error:
                    await report_unread(self, error, waiting_since)
                    return
                if head is None or not await run_exchange(self, head, monotonic()):
                    return
                self._served_one = True
                if self.reader.unread:
                    # Who pipelines answers that cost no wait would keep the loop for as long as there are any.
                    await yield_to_loop()
        finally:
            await self.end()

    async def end(self) -> None:
        """Close the connection, gently where the client may still be sending, and wait until it has read what it was
        sent: whoever drains waits for that, too."""
        if self.must_linger and not self.stream.is_ended:
            await linger(self.stream, self.timeouts.linger_s, self.timeouts.linger_total_s)
        self.stream.close()
        await wait_flushed(self.stream)

    async def _next_request(self, waiting_since: float) -> RequestHead | None:
        """The next request, or None: the client is done. Raises BadRequest, RequestTimeout."""
        reader, timeouts = self.reader, self.timeouts
        # A browser opens connections ahead of need: silence before the first byte is no fault.
        deadline = waiting_since + (timeouts.client_idle_s if self._served_one else timeouts.request_head_s)
        head_deadline = 0.0
        while (head := reader.request_head()) is None:
            begun = reader.unread and reader.unread[:5].strip(b"\r\n")  # a line end behind the last body is no request
            if begun and not head_deadline:
                head_deadline = deadline = self._deadlines.loop.time() + timeouts.request_head_s
            if self.shutting_down and self._served_one and not begun and not self.stream.has_unread():
                self.must_linger = True  # its next request may be on the way: a reset could destroy the answer before
                return None
            self.waits_for_request = not begun
            try:
                data = await self.stream.read(deadline)
            except ConnectionEnded:
                return None
            except TimeoutError as exc:
                if not begun:
                    return None
                raise RequestTimeout("the request head did not arrive in time") from exc
            finally:
                self.waits_for_request = False
            if not data:
                if begun:
                    raise BadRequest("the connection ended within a request head", code="request_cut")
                return None
            reader.receive(data)
        return head

    def shut_down(self) -> None:
        """Take no further request: what is under way is finished."""
        self.shutting_down = True
        if self.waits_for_request and self._served_one:
            self.stream.close()
        elif self.waits_for_request:
            # Just accepted: its first request is likely on its way, and closing now would lose it.
            self.stream.set_read_deadline(self._deadlines.loop.time() + _FIRST_REQUEST_S)

    async def write_answer(
        self, answer: LocalResponse, *, method: bytes, date: bytes, connection: bytes | None, record: ExchangeRecord
    ) -> None:
        """Send an answer of our own. Raises ClientGone."""
        lines = [
            (b"Date", date),
            *answer.fields,
            (b"Content-Length", b"%d" % len(answer.body)),
            *([(b"Connection", connection)] if connection is not None else []),
        ]
        body = b"" if method == b"HEAD" else answer.body
        record.status = answer.status
        record.responded = monotonic()
        record.response_bytes = len(body)
        self.stream.write(writer.response_head(answer.status, answer.reason, lines) + body)
        await self.wait_for_client()

    async def wait_for_client(self) -> None:
        """Wait until the client has read enough. Raises ClientGone."""
        if not self.stream.must_drain():
            return
        try:
            await self.stream.drain(self.timeouts.client_write_idle_s)
        except TimeoutError as exc:
            raise ClientGone("the client stopped reading", code="client_write_timeout") from exc
        except ConnectionEnded as exc:
            raise ClientGone("the client closed the connection") from exc

    # -- what the stream tells -----------------------------------------------------------------------------------

    def connection_lost(self) -> None:
        if self.abandon is not None:
            self.abandon()

    def peer_ended(self, end: PeerEnd) -> None:
        """No more requests come."""

    def alarm(self) -> None:
        """None is set."""
