"""The h11 parser: h11 reads one head or one chunked body; what it refuses is refused.

A new `h11.Connection` for each message, so that h11's own rules of keep-alive never apply (`persistence` has ours).
h11's events stay in this file. `strictness` refuses what h11 accepts and a proxy must not.
"""

import re
from typing import Final

import h11

from proxy.errors import ProtocolError
from proxy.http1.fields import Fields, members, short_list
from proxy.http1.message import RequestHead, ResponseHead
from proxy.http1.section import section

# h11 limits only incomplete messages. Heads arrive here whole, so its limit must not be in the way.
_NO_EVENT_LIMIT: Final = 1 << 30

# h11 accepts an interim response only after a request, and a 101 only after one that asked for it. Whether ours did is
# checked by the exchange.
_ANY_REQUEST: Final = h11.Request(
    method="GET", target="/", headers=[("Host", "h"), ("Connection", "Upgrade"), ("Upgrade", "any")]
)
_CHUNKED_HEAD: Final = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
_CODINGS: Final = re.compile(rb"\r\ntransfer-encoding:([^\r]*)", re.IGNORECASE)


def parse_request(raw_head: bytes) -> RequestHead:
    """Read a complete request head, blank line included. Raises ProtocolError with h11's status hint."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_NO_EVENT_LIMIT)
    try:
        connection.receive_data(raw_head)
        event = connection.next_event()
    except h11.RemoteProtocolError as exc:
        raise ProtocolError(_detail(exc), status=_status(exc, raw_head)) from exc
    if not isinstance(event, h11.Request):
        raise ProtocolError("not a request")
    version = _version(event.http_version)
    if version is None:
        raise ProtocolError("unsupported HTTP version", status=505, code="version_not_supported")
    return RequestHead(bytes(event.method), bytes(event.target), version, *section(list(event.headers.raw_items())))


def parse_response(raw_head: bytes) -> ResponseHead:
    """Read a complete response head, interim or final. Raises ProtocolError."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_NO_EVENT_LIMIT)
    try:
        if raw_head[9:10] == b"1":
            connection.send(_ANY_REQUEST)
        connection.receive_data(raw_head)
        event = connection.next_event()
    except h11.RemoteProtocolError as exc:
        raise ProtocolError(_detail(exc)) from exc
    if not isinstance(event, h11.Response | h11.InformationalResponse):
        raise ProtocolError("not a response")
    version = _version(event.http_version)
    if version is None:
        raise ProtocolError("unsupported HTTP version")
    return ResponseHead(event.status_code, bytes(event.reason), version, *section(list(event.headers.raw_items())))


def parse_trailers(section: bytes) -> Fields:
    """Read a trailer section: field lines and the blank line. Raises ProtocolError."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_NO_EVENT_LIMIT)
    connection.receive_data(_CHUNKED_HEAD + b"0\r\n" + section)
    connection.next_event()
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError as exc:
        raise ProtocolError(_detail(exc)) from exc
    if not isinstance(event, h11.EndOfMessage):
        raise ProtocolError("trailer section does not end")
    return list(event.headers.raw_items())


class H11ChunkedParser:
    """h11 reading one chunked body piece by piece."""

    def __init__(self) -> None:
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_NO_EVENT_LIMIT)
        self._connection.receive_data(_CHUNKED_HEAD)
        self._connection.next_event()

    def receive(self, data: bytes) -> list[bytes]:
        """Take what arrived, and return the body bytes in it. Raises ProtocolError."""
        pieces: list[bytes] = []
        try:
            self._connection.receive_data(data)
            while isinstance(event := self._connection.next_event(), h11.Data):
                pieces.append(bytes(event.data))
        except h11.RemoteProtocolError as exc:
            raise ProtocolError(_detail(exc)) from exc
        return pieces


def _version(version: bytes) -> bytes | None:
    if version[:2] != b"1.":
        return None
    return b"1.0" if version == b"1.0" else b"1.1"  # a higher minor version is read as 1.1 (RFC 9110 §2.5)


def _detail(exc: h11.RemoteProtocolError) -> str:
    return str(exc).partition(": b")[0]  # h11 quotes the line, which may hold a cookie or a password


def _status(exc: h11.RemoteProtocolError, raw_head: bytes) -> int:
    if exc.error_status_hint != 501:
        return exc.error_status_hint
    # h11 answers 501 to every coding but one `chunked`. Where `chunked` is there but not once and last, the body's
    # end cannot be found: that is 400 (RFC 9112 §6.3). So is a field that names no coding.
    codings = [member.lower() for member in members(short_list(_CODINGS.findall(raw_head)))]
    return 400 if not codings or b"chunked" in codings[:-1] else 501
