"""The body of one message as it arrives on a stream."""

from proxy.http1.parsing.body import Body, UnboundedBody
from proxy.http1.parsing.head_parser import HeadParser
from proxy.transport.fiber import yield_to_loop
from proxy.transport.stream import Stream


class BodyCutShort(Exception):
    """The peer ended its side before the body's end."""


async def read_body(stream: Stream, reader: HeadParser, body: Body, deadline: float) -> list[bytes]:
    """Wait for more of a body, and return it in the pieces in which it arrived: possibly none, where only framing came.

    Raises BodyCutShort, BadRequest (broken coding), TimeoutError, ConnectionEnded.
    """
    if reader.unread:
        # One read may hold 40,000 tiny chunks: more of them than the parser takes in one turn of the event loop.
        await yield_to_loop()
        return reader.body_bytes(body)
    data = await stream.read(deadline)
    if data:
        return reader.body_bytes(body, data)
    if isinstance(body, UnboundedBody):
        body.complete = True
        return []
    raise BodyCutShort
