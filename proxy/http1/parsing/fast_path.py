"""The fast path: reads plain heads, which most are, with one pattern, and never rejects.

What it does not match, the h11 parser reads. It is correct exactly if every head that it accepts
ends at the first empty line, the h11 parser accepts the same bytes and yields the same method, target, version, fields
and index, and `strictness` has nothing to refuse in its bytes and lengths, nor in a response at all. Of the patterns,
tests/proof shows it by automata; of the engine that runs them, property tests do.

Which constructs are safe: a possessive repeat of one character class (`[...]*+`) is right on every engine, and makes a
near miss fail in linear time. A possessive or atomic group is not: CPython 3.11.0 to 3.11.4, and distributions' 3.11.2,
report a match although the last round of such a group failed (gh-106052), so that a field line with white space at its
end passed for the end of the head. So groups are repeated greedily: where a head does not match, the engine goes back
line by line, and nothing in a line can match in a second way.
"""

import re
from typing import Final

from proxy.http1.fields import NO_OPTIONS, Index, connection_options, has_many_options, index, request_index
from proxy.http1.limits import MessageLimits
from proxy.http1.message import RequestHead, ResponseHead
from proxy.http1.parsing.strictness import LENGTH_DIGITS

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
#: Lines with white space at their end are left to the h11 parser.
_LINES: Final = rb"(?:" + _TOKEN + rb":[\t\x20-\x7e\x80-\xff]*+(?<![\t ])\r\n)*"
_REQUEST: Final = re.compile(rb"([A-Z]{1,20}+) (/[!\"$-~]*+) HTTP/(1\.[01])\r\n(" + _LINES + rb")\r\n")
_REASON: Final = rb"(?:[!-~][\x20-\x7e]*+)?"
_RESPONSE: Final = re.compile(rb"HTTP/(1\.[01]) ([1-5][0-9][0-9]) (" + _REASON + rb")\r\n(" + _LINES + rb")\r\n")
_LINE: Final = re.compile(rb"([^:]++):[ \t]*+([^\r]*+)\r\n")
_FRAMING: Final = (b"content-length", b"transfer-encoding")
_CHUNKED: Final = [b"chunked"]
_MOST_OPTIONS: Final = MessageLimits().nominations


def parse_plain_request(data: bytes, most_options: int = _MOST_OPTIONS) -> tuple[RequestHead, int] | None:
    """Read the request head in origin-form that `data` begins with; return it, and where it ends. None: the h11
    parser has to read it, or more has to arrive."""
    found = _REQUEST.match(data)
    if found is None:
        return None
    method, target, version, section = found.groups()
    lines = _LINE.findall(section)
    known = request_index(lines)
    if not _is_plain(known, most_options) or (b"host" not in known and version == b"1.1"):
        return None
    options = connection_options(known) if b"connection" in known else NO_OPTIONS
    return RequestHead(method, target, version, lines, known, options), found.end()


def parse_plain_response(data: bytes, most_options: int = _MOST_OPTIONS) -> tuple[ResponseHead, int] | None:
    """Read the response head that `data` begins with, interim or final, but no 101; return it, and where
    it ends. None: the h11 parser has to read it, or more has to arrive."""
    found = _RESPONSE.match(data)
    if found is None:
        return None
    version, status, reason, section = found.groups()
    lines = _LINE.findall(section)
    known = index(lines)
    if (
        not _is_plain(known, most_options)
        or (status[:1] == b"1" and (status == b"101" or not known.keys().isdisjoint(_FRAMING)))
        or (b"transfer-encoding" in known and version == b"1.0")
    ):
        return None
    return ResponseHead(int(status), reason, version, lines, known, connection_options(known)), found.end()


def _is_plain(known: Index, most_options: int) -> bool:
    """Whether nothing in an index is out of the ordinary: framing, host, or the length of `Connection`."""
    if b"connection" in known:
        values = known[b"connection"]
        # Each member takes a byte at least.
        if (len(values) > 1 or len(values[0]) >= most_options) and has_many_options(values, most_options):
            return False
    if b"content-length" in known:
        lengths = known[b"content-length"]
        if len(lengths) > 1 or b"transfer-encoding" in known:
            return False
        if not lengths[0].isdigit() or len(lengths[0]) > LENGTH_DIGITS:
            return False
    elif b"transfer-encoding" in known and known[b"transfer-encoding"] != _CHUNKED:
        return False
    return b"host" not in known or len(known[b"host"]) == 1
