"""How a body is delimited: in the received message (RFC 9112 §6.3), and in the forwarded one (§6.1, §6.2).

Framing is read from valid heads: `strictness` has refused contradictory ones before. Framing fields are never copied.
"""

from typing import assert_never

from proxy.http1.fields import Fields
from proxy.http1.message import (
    CHUNKED,
    NO_BODY,
    UNTIL_CLOSE,
    BodyFraming,
    Chunked,
    FixedLength,
    NoBody,
    RequestHead,
    ResponseHead,
    UntilClose,
)


def request_framing(head: RequestHead) -> BodyFraming:
    """RFC 9112 §6.3, the request's branches. A declared length of 0 is not the same as none: POST needs it."""
    if b"transfer-encoding" in head.known:
        return CHUNKED
    lengths = head.known.get(b"content-length")
    return FixedLength(int(lengths[0])) if lengths else NO_BODY


def response_framing(head: ResponseHead, method: bytes) -> BodyFraming:
    """RFC 9112 §6.3, the response's branches, in its order. `method` is the request's."""
    status = head.status
    if status < 200 or status == 204:
        return NO_BODY  # a Content-Length here means nothing and goes no further
    chunked = b"transfer-encoding" in head.known
    lengths = head.known.get(b"content-length")
    if method == b"HEAD" or status == 304:
        return NoBody(int(lengths[0])) if lengths and not chunked else NO_BODY
    if chunked:
        return CHUNKED
    return FixedLength(int(lengths[0])) if lengths else UNTIL_CLOSE


def outgoing_response_framing(incoming: BodyFraming, client_version: bytes) -> BodyFraming:
    """The length where it is known, else chunked to a 1.1 client, else until close."""
    if incoming is CHUNKED or incoming is UNTIL_CLOSE:
        return CHUNKED if client_version >= b"1.1" else UNTIL_CLOSE
    return incoming


def framing_fields(framing: BodyFraming) -> Fields:
    """The field lines that state a framing."""
    if isinstance(framing, FixedLength):
        return [(b"Content-Length", b"%d" % framing.length)]
    if isinstance(framing, NoBody):
        return [] if framing.described is None else [(b"Content-Length", b"%d" % framing.described)]
    if isinstance(framing, Chunked):
        return [(b"Transfer-Encoding", b"chunked")]
    if isinstance(framing, UntilClose):
        return []
    assert_never(framing)
