"""What h11 accepts and a proxy must refuse: one place, for both readers.

h11 reads for an endpoint. A proxy hands the message to a second parser, so whatever two parsers could read in two
ways is refused here: its sender gets an error, and the connection closes.
"""

import re
from typing import Final

from proxy.errors import ProtocolError
from proxy.http1.fields import MOST_LIST_BYTES, Index, members, short_list, tokens
from proxy.http1.limits import MessageLimits
from proxy.http1.message import RequestHead, ResponseHead
from proxy.http1.target import IS_AUTHORITY

_CONTROL: Final = bytes(i for i in range(32) if i not in b"\t\r\n") + b"\x7f"
_LENGTH_LINE: Final = re.compile(rb"\r\ncontent-length:([^\r]*)", re.IGNORECASE)
LENGTH_DIGITS: Final = 18  # of a Content-Length: an exabyte, and no parser overflows
_PLAIN_LENGTH: Final = re.compile(rb"[0-9]{1,%d}" % LENGTH_DIGITS)
_LIST_LINE: Final = re.compile(rb"\r\n(connection|expect):([^\r]*)", re.IGNORECASE)
_DECIMAL: Final = re.compile(rb"0*+([0-9]*+)(?<=[0-9])")
_MOST_FORWARDS: Final = 10**LENGTH_DIGITS


def check_bytes(section: bytes) -> None:
    """Refuse a head or trailer section, as bytes, that parsers are known to split differently.

    Control bytes, bare CR or LF, obsolete folding: everything that RFC 9112 §2.2 and §5.2 leave to the recipient.
    """
    if len(section.translate(None, _CONTROL)) != len(section):
        raise ProtocolError("control byte in the head")
    # As many CRLF as CR and as LF: then none is bare. Counting takes a fifth of the time of searching.
    if not section.count(b"\r\n") == section.count(b"\r") == section.count(b"\n"):
        raise ProtocolError("line end is not CRLF")
    if b"\r\n " in section or b"\r\n\t" in section:
        raise ProtocolError("obsolete line folding")


def check_lengths(raw_head: bytes) -> None:
    """Refuse a request whose `Content-Length` is not one line with one plain decimal.

    h11 merges `5, 5` and two equal lines into one before its caller can see it.
    """
    lines = _LENGTH_LINE.findall(raw_head)
    if lines and (len(lines) > 1 or not _PLAIN_LENGTH.fullmatch(lines[0].strip(b" \t"))):
        raise ProtocolError("Content-Length is not one plain decimal")


def check_lists(raw_head: bytes, most_options: int) -> None:
    """Refuse a head with more options of `Connection` than the limit, or with a longer `Expect` than makes sense.

    h11 splits both, at a microsecond a member, before its caller can count them.
    """
    options, expectations = 0, 0
    for name, value in _LIST_LINE.findall(raw_head):
        if name[:1] in b"cC":
            options += value.count(b",") + 1
        else:
            expectations += len(value)
    if options > most_options:
        raise too_large("too many connection options")
    if expectations > MOST_LIST_BYTES:
        raise _unknown_expectation()


def check_request(head: RequestHead, limits: MessageLimits) -> None:
    """Refuse a request that two parsers could delimit or address differently, or that is over a limit. Its lines
    and the options of `Connection` were counted before either reader made anything of them."""
    index = head.known
    if len(head.target) > limits.target_bytes:
        raise ProtocolError("request target too long", status=414, code="target_too_long")
    hosts = index.get(b"host")
    if hosts is None:
        if head.http_version >= b"1.1":
            raise ProtocolError("no Host field")
    elif len(hosts) > 1 or not (IS_AUTHORITY[hosts[0]] or _may_be_empty(hosts[0], head.target)):
        raise ProtocolError("not one valid Host field")
    if b"transfer-encoding" in index:
        if b"content-length" in index:
            # h11 lets chunked win; an upstream that reads the length would see a second request inside this body.
            raise ProtocolError("both Transfer-Encoding and Content-Length")
        if head.http_version < b"1.1":
            # CVE-2026-2835: a 1.0 reader does not know the field, and delimits the body otherwise.
            raise ProtocolError("Transfer-Encoding in HTTP/1.0")


def check_response(head: ResponseHead) -> None:
    """Refuse a response whose framing contradicts itself."""
    index = head.known
    lengths = index.get(b"content-length")
    if lengths and len(lengths[0]) > LENGTH_DIGITS:
        # h11 takes 20 digits: over 64 bits, the client would read another length out of them than we do.
        raise ProtocolError("Content-Length is too large")
    if b"transfer-encoding" in index:
        if b"content-length" in index:
            raise ProtocolError("both Transfer-Encoding and Content-Length")
        if head.http_version < b"1.1":
            raise ProtocolError("Transfer-Encoding in HTTP/1.0")


def expects_continue(head: RequestHead) -> bool:
    """Whether the client waits for 100 (Continue). Raises ProtocolError 417 for any other expectation.

    An HTTP/1.0 client's expectation is ignored (RFC 9110 §10.1.1).
    """
    values = head.known.get(b"expect")
    if values is None or head.http_version < b"1.1":
        return False
    if sum(map(len, values)) > MOST_LIST_BYTES:
        raise _unknown_expectation()
    expectations = [member.lower() for member in members(values)]
    if any(expectation != b"100-continue" for expectation in expectations):
        raise _unknown_expectation()
    return bool(expectations)


def max_forwards(head: RequestHead) -> int | None:
    """How many more hops a TRACE or OPTIONS may go (RFC 9110 §7.6.2); None for no limit, or another method."""
    values = head.known.get(b"max-forwards")
    if values is None or head.method not in (b"OPTIONS", b"TRACE"):
        return None
    decimal = _DECIMAL.fullmatch(values[0])
    if len(values) > 1 or decimal is None:
        raise ProtocolError("Max-Forwards is not one plain decimal")
    # A larger one means the most that we support (RFC 9110 §7.6.2).
    return int(decimal[1] or b"0") if len(decimal[1]) <= LENGTH_DIGITS else _MOST_FORWARDS


def _may_be_empty(host: bytes, target: bytes) -> bool:
    """Whether Host may be empty: only where the target itself has the authority, which then counts (RFC 9112 §3.2.2).
    Elsewhere no host would be named, and an http URI without a host is invalid (RFC 9110 §4.2.1)."""
    return host == b"" and target[:1] not in (b"/", b"*")


def too_large(detail: str) -> ProtocolError:
    """The error for a head that is over a limit."""
    return ProtocolError(detail, status=431, code="head_too_large")


def _unknown_expectation() -> ProtocolError:
    return ProtocolError("unknown expectation", status=417, code="expectation_failed")


def asks_for_trailers(index: Index) -> bool:
    """Whether the sender says `TE: trailers` (RFC 9110 §10.1.4). A `TE` of more than a kilobyte is not read."""
    return b"te" in index and b"trailers" in tokens(short_list(index[b"te"]))
