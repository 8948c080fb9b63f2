"""The body of one message as it arrives on a stream."""

from typing import Final

from proxy.http1.fields import Fields
from proxy.http1.message import BodyFraming
from proxy.http1.reader import HeadReader, UnboundedBody
from proxy.net.stream import Stream

_NO_TRAILERS: Fields = []


class BodyCutShort(Exception):
    """The peer ended its side before the body's end."""


class IncomingBody:
    """Body bytes in the order and the pieces in which they arrive; nothing is gathered.

    `complete` says that all of it was handed out. What arrives behind its end goes back to the head reader: it is the
    next message. `received_bytes` counts the body, without its coding.
    """

    __slots__ = ("_body", "_reader", "_stream", "complete", "received_bytes")

    def __init__(self, framing: BodyFraming, reader: HeadReader, stream: Stream) -> None:
        self._body = reader.body(framing)
        self._reader = reader
        self._stream = stream
        self.complete = self._body is None
        self.received_bytes = 0

    @property
    def trailers(self) -> Fields:
        """The trailer fields, once complete."""
        return _NO_TRAILERS if self._body is None else self._body.trailers

    def ready(self) -> list[bytes]:
        """What came along with the head. Raises BadRequest where the chunked coding is broken."""
        if self.complete or not self._reader.unread:
            return []
        return self._take(self._reader.take_unread())

    async def read(self, deadline: float) -> list[bytes]:
        """Wait for more, and return it: possibly nothing, where only framing came.

        Raises BodyCutShort, BadRequest (broken coding), TimeoutError, ConnectionEnded.
        """
        data = await self._stream.read(deadline)
        if data:
            return self._take(data)
        if isinstance(self._body, UnboundedBody):
            self.complete = self._body.complete = True
            return []
        raise BodyCutShort

    def _take(self, data: bytes) -> list[bytes]:
        body = self._body
        assert body is not None
        pieces = body.receive(data)
        for piece in pieces:
            self.received_bytes += len(piece)
        if body.complete:
            self.complete = True
            if body.left_over:
                self._reader.receive(body.left_over)
                body.left_over = b""
        return pieces


class _NoIncomingBody(IncomingBody):
    __slots__ = ()

    def __init__(self) -> None:
        self._body = None
        self.complete = True
        self.received_bytes = 0


#: The body of every message that has none: complete from the start, and so never read.
NO_INCOMING_BODY: Final[IncomingBody] = _NoIncomingBody()
