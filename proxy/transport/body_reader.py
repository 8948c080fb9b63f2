"""The bodies that arrive on one connection: its stream, its parser, and the body that is being read."""

from proxy.http1.message import BodyFraming
from proxy.http1.parsing.body import EMPTY_BODY, Body, UnboundedBody
from proxy.http1.parsing.head_parser import HeadParser
from proxy.transport.fiber import yield_to_loop
from proxy.transport.stream import Stream


class BodyCutShort(Exception):
    """The peer ended its side before the body's end."""


class BodyReader:
    """Reads the bodies of one connection's messages in turn. Its owner says whose fault an error is."""

    __slots__ = ("body", "parser", "stream")

    def __init__(self, stream: Stream, parser: HeadParser) -> None:
        self.stream = stream
        self.parser = parser
        self.body: Body = EMPTY_BODY

    def begin(self, framing: BodyFraming) -> None:
        """Read the body of the head that was just parsed. Nothing of it is taken yet."""
        self.body = self.parser.body(framing)

    def arrived(self) -> list[bytes]:
        """What of the body came with its head, in pieces. Raises ProtocolError (broken coding)."""
        return self.parser.body_bytes(self.body)

    async def read(self, deadline: float) -> list[bytes]:
        """Wait for more of the body, and return it in the pieces in which it arrived: none, where only framing came.

        Raises BodyCutShort, ProtocolError (broken coding), TimeoutError, ConnectionEnded.
        """
        body = self.body
        if self.parser.unread:
            # One read may hold 40,000 tiny chunks: more of them than the parser takes in one turn of the event loop.
            await yield_to_loop()
            return self.parser.body_bytes(body)
        data = await self.stream.read(deadline)
        if data:
            return self.parser.body_bytes(body, data)
        if isinstance(body, UnboundedBody):
            body.complete = True
            return []
        raise BodyCutShort
