"""One connection to an origin: one exchange at a time, and whether it may be used again.

Knows nothing of the client whose request it carries.
"""

import ssl
from collections.abc import Callable
from enum import Enum
from typing import Final

from proxy.errors import (
    BadResponse,
    ProtocolError,
    ResponseTimeout,
    TlsFailed,
    UpstreamClosed,
)
from proxy.http1.framing import response_framing
from proxy.http1.limits import MessageLimits
from proxy.http1.message import UNTIL_CLOSE, BodyFraming, KeepAlive, ResponseHead
from proxy.http1.parsing.body import EMPTY_BODY, Body
from proxy.http1.parsing.chunked import ChunkedBody
from proxy.http1.parsing.head_parser import HeadParser
from proxy.http1.persistence import keep_alive, persists
from proxy.policy import keeping
from proxy.policy.keeping import Keeping
from proxy.transport import sockets
from proxy.transport.body_reader import BodyCutShort, BodyReader
from proxy.transport.deadlines import NEVER
from proxy.transport.stream import ConnectionEnded, Stream
from proxy.transport.tls import tls_code, tls_reason
from proxy.upstream.connection_limit import ConnectionLimit
from proxy.upstream.origin import Origin

STALLED: Final = "response_stalled"  # the code of a time-out that came before its time
_NO_PROMISE: Final = KeepAlive()


class ConnectionState(Enum):
    """In whose hands an upstream connection is."""

    LEASED = "leased"  # in those of one exchange, or of the tunnel that it became
    IDLE = "idle"  # in the pool's, or kept for one client
    CLOSED = "closed"


#: By names of their own: read from the class, a member costs ten times as much on CPython 3.11. Declared one by one and
#: Final: all others compiled code looks up in the module.
LEASED: Final = ConnectionState.LEASED
IDLE: Final = ConnectionState.IDLE
CLOSED: Final = ConnectionState.CLOSED


class UpstreamConnection:
    """A connection to an origin. `exchanges` counts those that it has begun."""

    __slots__ = (
        "_body_fault",
        "_body_reader",
        "_parser",
        "_poll",
        "exchanges",
        "framing",
        "head_deadline",
        "label",
        "limit",
        "limits",
        "on_idle_event",
        "open_since",
        "origin",
        "promise",
        "response_began",
        "state",
        "stays_open",
        "stream",
    )  # fmt: skip

    def __init__(self, origin: Origin, stream: Stream, limits: MessageLimits, now: float, *, fast_path: bool) -> None:
        self.origin = origin
        self.label = origin.label  # as logs and errors name it
        self.stream = stream
        self.open_since = now
        self.exchanges = 0
        self.promise = _NO_PROMISE
        self.stays_open = False
        self.response_began = False
        self.state: ConnectionState = LEASED
        self.framing: BodyFraming = UNTIL_CLOSE
        self.on_idle_event: Callable[[], None] | None = None  # called when bytes or an end arrive while it is idle
        self.head_deadline = NEVER  # loop time by which a response head is due, for a read that begins
        self.limit: ConnectionLimit[UpstreamConnection] | None = None  # that it counts for
        self.limits = limits
        self._parser = HeadParser(limits, fast_path=fast_path)
        self._body_reader = BodyReader(stream, self._parser)
        self._body_fault: ProtocolError | None = None  # met, and not raised yet
        self._poll: Callable[[int], list[tuple[int, int]]] | None = None

    def __repr__(self) -> str:
        return f"<UpstreamConnection {self.origin} exchange {self.exchanges} {self.state.value}>"

    @property
    def body(self) -> Body:
        """The body of the response whose head was read last."""
        return self._body_reader.body

    @property
    def only_counts(self) -> bool:
        """Whether what arrives of a body is only counted."""
        return True

    def begin(self) -> None:
        """Start an exchange."""
        self.exchanges += 1
        self.state = LEASED
        self.stays_open = False
        self.response_began = False
        self._body_reader.body = EMPTY_BODY
        self.head_deadline = NEVER

    def use(self, limits: MessageLimits) -> None:
        """Go by these limits, from the next response on: routes that share a connection may have their own."""
        self.limits = limits
        self._parser.use(limits)

    def discard(self) -> None:
        """Close at once, without a call of `watcher`: it carries no exchange."""
        self.state = CLOSED
        self.stream.watcher = None
        self.stream.abort()

    def was_ended(self) -> bool:
        """Whether the peer has ended this idle connection, or has sent something on it, such as a 408, that would be
        taken for the answer to the next request. The connection is then discarded.

        This asks the kernel: the event loop may tell of it only after the request that is to be sent, where both
        arrived in the same moment.
        """
        is_over = not self.stream.is_open or self._is_readable()
        if is_over:
            self.discard()
        return is_over

    def _is_readable(self) -> bool:
        try:
            if self._poll is None:  # kept, because making it costs more than asking
                self._poll = sockets.poll_for_reading(self.stream.transport.get_extra_info("socket"))
            return bool(self._poll(0))
        except (OSError, ValueError):
            return True

    def await_head(self, deadline: float) -> None:
        """A response head is due by `deadline` (loop time), also for a read that is under way."""
        self.head_deadline = deadline
        self.stream.set_read_deadline(deadline)

    def hurry(self, now: float) -> None:
        """The origin has fallen silent: let the read of a response head that is under way raise ResponseTimeout soon
        (`response_stalled`), though its time is not over, and another may follow. What has arrived by then is read."""
        self.stream.set_read_deadline(now)

    async def read_head(self, method: bytes) -> ResponseHead:
        """The next response head, interim or final; after a final one, `framing` and `body` are its body's.

        Raises BadResponse, UpstreamClosed, ResponseTimeout.
        """
        parser = self._parser
        while True:
            try:
                if parser.unread and (head := parser.response_head()) is not None:
                    break
            except ProtocolError as exc:
                raise BadResponse.of(exc) from exc
            try:
                data = await self.stream.read(self.head_deadline)
            except TimeoutError as exc:
                if self.stream.time() < self.head_deadline:
                    raise ResponseTimeout(f"{self.origin} has fallen silent", code=STALLED) from exc
                raise ResponseTimeout(f"{self.origin} sent no response head in time") from exc
            except ConnectionEnded as exc:
                if isinstance(exc.__cause__, ssl.SSLError):
                    # With TLS 1.3, a service judges our certificate only once our handshake is over.
                    raise TlsFailed(
                        f"{self.origin} ended TLS: {tls_reason(exc.__cause__)}", code=tls_code(exc.__cause__)
                    ) from exc
                raise UpstreamClosed(f"{self.origin} broke the connection before a response") from exc
            if not data:
                raise UpstreamClosed(f"{self.origin} closed the connection before a response")
            self.response_began = True
            parser.receive(data)
        if head.status >= 200:
            self.stays_open = persists(head.http_version, head.options)
            self.framing = response_framing(head, method)
            promise = head.known.get(b"keep-alive")
            self.promise = keep_alive(promise) if promise else _NO_PROMISE
            self._body_reader.body = parser.body(self.framing)
        return head

    def arrived(self) -> list[bytes]:
        """What of the body came with the head. Raises BadResponse."""
        try:
            return self._parser.body_bytes(self._body_reader.body)
        except ProtocolError as exc:
            raise BadResponse.of(exc) from exc

    async def read_body(self, deadline: float) -> list[bytes]:
        """More body bytes. Raises BadResponse, UpstreamClosed, ResponseTimeout: the body is cut. What came in one read
        with a broken chunk, and before it, is returned first."""
        if self._body_fault is not None:
            raise BadResponse.of(self._body_fault) from self._body_fault
        try:
            return await self._body_reader.read(deadline)
        except ProtocolError as exc:
            if isinstance(self.body, ChunkedBody) and self.body.before_fault:
                self._body_fault = exc
                return self.body.before_fault
            raise BadResponse.of(exc) from exc
        except TimeoutError as exc:
            raise ResponseTimeout(f"{self.origin} fell silent in mid-body", code="response_body_timeout") from exc
        except (BodyCutShort, ConnectionEnded) as exc:
            raise UpstreamClosed(f"{self.origin} cut the body short", code="response_body_cut") from exc

    async def wait_writable(self, patience_s: float) -> None:
        """Wait until the origin has read enough of the request. Raises UpstreamClosed, and ResponseTimeout once it has
        read nothing for `patience_s`."""
        try:
            await self.stream.drain(patience_s)
        except TimeoutError as exc:
            raise ResponseTimeout(f"{self.origin} stopped reading the request", code="upstream_write_timeout") from exc
        except ConnectionEnded as exc:
            raise UpstreamClosed(f"{self.origin} closed the connection within the request") from exc

    def take_unread(self) -> bytes:
        """Hand over what arrived behind a 101."""
        return self._parser.take_unread()

    def why_closed(self) -> Keeping | None:
        """Why no other request may go on it. None: the response is complete and self-delimited, both sides keep the
        connection open, nothing surplus has arrived, and it has not ended. Whether our request was sent whole, only
        the exchange knows."""
        if not self.stays_open:
            return keeping.CLOSES
        if not self._body_reader.body.complete:
            return keeping.NOT_WHOLE
        if self.framing is UNTIL_CLOSE:
            return keeping.ENDS_BODY
        if self._parser.unread or self.stream.has_unread():
            return keeping.SURPLUS
        return keeping.LAST_PROMISED if self.promise.max_requests == 0 else None
