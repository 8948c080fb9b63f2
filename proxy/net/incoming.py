"""The body of one message as it arrives on a stream."""

from proxy.errors import BadRequest, ProxyError
from proxy.http1.fields import Fields
from proxy.http1.message import BodyFraming
from proxy.http1.reader import Body, HeadReader, UnboundedBody
from proxy.net.stream import Stream

_NO_TRAILERS: Fields = []


class BodyCutShort(Exception):
    """The peer ended its side before the body's end."""


class IncomingBody:
    """Body bytes in the order and the pieces in which they arrive; nothing is gathered.

    What arrives behind the body's end goes back to the head reader: it is the next message.
    """

    __slots__ = ("_body", "_reader", "_stream", "_unread", "received_bytes")

    def __init__(self, framing: BodyFraming, reader: HeadReader, stream: Stream) -> None:
        self._body: Body | None = reader.body(framing)
        self._reader = reader
        self._stream = stream
        self._unread = reader.take_unread() if self._body is not None else b""
        self.received_bytes = 0

    @property
    def complete(self) -> bool:
        """Whether all of it was handed out."""
        return self._body is None or self._body.complete

    @property
    def trailers(self) -> Fields:
        """The trailer fields, once complete."""
        return _NO_TRAILERS if self._body is None else self._body.trailers

    def ready(self) -> list[bytes]:
        """What came along with the head. Raises BadRequest where the chunked coding is broken."""
        if not self._unread or self._body is None:
            return []
        unread, self._unread = self._unread, b""
        return self._take(self._body, unread)

    async def read(self, deadline: float) -> list[bytes]:
        """Wait for more, and return it: possibly nothing, where only framing came.

        Raises BodyCutShort, BadRequest (broken coding), TimeoutError, ConnectionEnded.
        """
        body = self._body
        assert body is not None
        data = await self._stream.read(deadline)
        if data:
            return self._take(body, data)
        if isinstance(body, UnboundedBody):
            body.complete = True
            return []
        raise BodyCutShort

    def _take(self, body: Body, data: bytes) -> list[bytes]:
        pieces = body.receive(data)
        self.received_bytes += sum(map(len, pieces))
        if body.complete and body.left_over:
            self._reader.receive(body.left_over)
            body.left_over = b""
        return pieces


def as_upstream_fault(exc: BadRequest, fault: type[ProxyError]) -> ProxyError:
    """The same broken coding, where the other side sent it."""
    return fault(exc.detail)
