"""The recogniser: reads the plain majority of heads with one pattern, and never rejects.

What it does not know it leaves to the referee, bytes untouched. It is correct exactly if for every head that it
accepts, the referee accepts the same bytes and yields the same method, target, version, fields and index, and
screening of bytes and lengths has nothing to refuse. That sentence is tested as a property.

Quantifiers are possessive: a near miss fails in linear time.
"""

import re
from typing import Final

from proxy.http1.fields import Fields, Index, connection_options, index
from proxy.http1.message import RequestHead, ResponseHead

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_LINES: Final = rb"(?:" + _TOKEN + rb":[\t\x20-\x7e\x80-\xff]*+\r\n)*+"
_REQUEST: Final = re.compile(rb"([A-Z]{1,20}+) (/[!\"$-~]*+) HTTP/(1\.[01])\r\n(" + _LINES + rb")\r\n")
_RESPONSE: Final = re.compile(rb"HTTP/(1\.[01]) ([2-5][0-9][0-9]) ([!-~](?:[\x20-\x7e]*+))?\r\n(" + _LINES + rb")\r\n")
_LINE: Final = re.compile(rb"([^:]++):[ \t]*+([^\r]*+)\r\n")
_PLAIN_LENGTH: Final = re.compile(rb"[0-9]{1,18}")
_CHUNKED: Final = [b"chunked"]


def recognise_request(raw_head: bytes) -> RequestHead | None:
    """Read a complete request head in origin-form, or return None: ask the referee."""
    head = _REQUEST.fullmatch(raw_head)
    if head is None:
        return None
    method, target, version, section = head.groups()
    lines = _lines(section)
    known = _plain_index(lines)
    if known is None or (b"host" not in known and version == b"1.1"):
        return None
    return RequestHead(method, target, version, lines, known, connection_options(known))


def recognise_response(raw_head: bytes) -> ResponseHead | None:
    """Read a complete final response head, or return None: ask the referee."""
    head = _RESPONSE.fullmatch(raw_head)
    if head is None:
        return None
    version, status, reason, section = head.groups()
    lines = _lines(section)
    known = _plain_index(lines)
    if known is None:
        return None
    return ResponseHead(int(status), reason or b"", version, lines, known, connection_options(known))


def _lines(section: bytes) -> Fields:
    lines = _LINE.findall(section)
    if b" \r\n" in section or b"\t\r\n" in section:
        lines = [(name, value.rstrip(b" \t")) for name, value in lines]
    return lines


def _plain_index(lines: Fields) -> Index | None:
    """The index of the lines, or None where framing or host is anything but plain."""
    found = index(lines)
    lengths = found.get(b"content-length")
    if lengths and not (len(lengths) == 1 and _PLAIN_LENGTH.fullmatch(lengths[0])):
        return None
    codings = found.get(b"transfer-encoding")
    if codings and (lengths or codings != _CHUNKED):
        return None
    hosts = found.get(b"host")
    return None if hosts and len(hosts) > 1 else found
