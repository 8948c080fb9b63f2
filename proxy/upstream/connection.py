"""One connection to an origin: one exchange at a time, and whether it may be used again.

Knows nothing of the client whose request it carries.
"""

from collections.abc import Callable
from typing import Final

from proxy.errors import (
    BadRequest,
    BadResponse,
    ResponseTimeout,
    UpstreamClosed,
)
from proxy.http1.framing import response_framing
from proxy.http1.limits import MessageLimits
from proxy.http1.message import UNTIL_CLOSE, BodyFraming, ResponseHead
from proxy.http1.parsing.body import EMPTY_BODY, Body
from proxy.http1.parsing.head_parser import HeadParser
from proxy.http1.persistence import KeepAlive, keep_alive, persists
from proxy.transport.deadlines import NEVER
from proxy.transport.incoming import BodyCutShort, read_body
from proxy.transport.stream import ConnectionEnded, Stream
from proxy.upstream.origin import Origin

_NO_PROMISE: Final = KeepAlive()


class UpstreamConnection:
    """A connection to an origin. `serial` counts the exchanges it has begun."""

    __slots__ = (
        "_head_deadline",
        "_reader",
        "body",
        "framing",
        "on_idle_event",
        "open_since",
        "origin",
        "promise",
        "response_began",
        "serial",
        "stays_open",
        "stream",
    )  # fmt: skip

    def __init__(self, origin: Origin, stream: Stream, limits: MessageLimits, now: float, *, fast_path: bool) -> None:
        self.origin = origin
        self.stream = stream
        self.open_since = now
        self.serial = 0
        self.promise = _NO_PROMISE
        self.stays_open = False
        self.response_began = False
        self.framing: BodyFraming = UNTIL_CLOSE
        self.body: Body = EMPTY_BODY
        self.on_idle_event: Callable[[], None] | None = None  # what the pool does if it stirs while idle
        self._head_deadline = NEVER
        self._reader = HeadParser(limits, fast_path=fast_path)

    def __repr__(self) -> str:
        return f"<UpstreamConnection {self.origin} exchange {self.serial}>"

    def begin(self) -> None:
        """Start an exchange."""
        self.serial += 1
        self.stays_open = False
        self.response_began = False
        self.body = EMPTY_BODY
        self._head_deadline = NEVER

    def await_head(self, deadline: float) -> None:
        """From now on, a response head is due by `deadline` (loop time); also for a read that is under way."""
        self._head_deadline = deadline
        self.stream.set_read_deadline(deadline)

    async def read_head(self, method: bytes) -> ResponseHead:
        """The next response head, interim or final; after a final one, `framing` and `body` are its body's.

        Raises BadResponse, UpstreamClosed, ResponseTimeout.
        """
        reader = self._reader
        while not reader.unread or (head := reader.response_head()) is None:
            try:
                data = await self.stream.read(self._head_deadline)
            except TimeoutError as exc:
                raise ResponseTimeout(f"{self.origin} sent no response head in time") from exc
            except ConnectionEnded as exc:
                raise UpstreamClosed(f"{self.origin} broke the connection before a response") from exc
            if not data:
                raise UpstreamClosed(f"{self.origin} closed the connection before a response")
            self.response_began = True
            reader.receive(data)
        if head.status >= 200:
            self.stays_open = persists(head.http_version, head.options)
            self.framing = response_framing(head, method)
            promise = head.known.get(b"keep-alive")
            self.promise = keep_alive(promise) if promise else _NO_PROMISE
            self.body = reader.body(self.framing)
        return head

    def ready(self) -> list[bytes]:
        """Body bytes that came with the head. Raises BadResponse."""
        try:
            return self._reader.body_bytes(self.body)
        except BadRequest as exc:
            raise BadResponse(exc.detail) from exc

    async def read_body(self, deadline: float) -> list[bytes]:
        """More body bytes. Raises BadResponse, UpstreamClosed, ResponseTimeout: the body is cut."""
        try:
            return await read_body(self.stream, self._reader, self.body, deadline)
        except BadRequest as exc:
            raise BadResponse(exc.detail) from exc
        except TimeoutError as exc:
            raise ResponseTimeout(f"{self.origin} fell silent in mid-body", code="response_body_timeout") from exc
        except (BodyCutShort, ConnectionEnded) as exc:
            raise UpstreamClosed(f"{self.origin} cut the body short", code="response_body_cut") from exc

    def take_unread(self) -> bytes:
        """Hand over what arrived behind a 101."""
        return self._reader.take_unread()

    def may_be_reused(self) -> bool:
        """Whether the next request may go on it: the response is complete and self-delimited, both sides keep the
        connection open, nothing surplus has arrived, and it has not ended. Whether our request was sent whole, only
        the exchange knows."""
        return (
            self.stays_open
            and self.body.complete
            and self.framing is not UNTIL_CLOSE
            and not self._reader.unread
            and not self.stream.has_unread()
            and self.promise.max_requests != 0
        )
