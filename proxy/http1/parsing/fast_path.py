"""The fast path: reads plain heads, line by line. Most heads are plain; all others are left to the h11 parser, and it
alone rejects a head.

The fast path is correct if each head that it accepts

- ends at the first empty line,
- is accepted by the h11 parser, too, with the same method, target, version, fields and index,
- has nothing that `strictness` refuses: in a request no such byte or length, in a response nothing at all.

For the patterns, tests/proof shows this by automata; for the engine that runs them, property tests do.

Most lines of a request are the same as in the request before. So a line that was read is remembered, and only a new one
is matched against the pattern. Of a response, often all lines are the same: the section is remembered as a whole, with
the lines of it that go on. Lines that may hold a secret are not remembered, nor are sections with such a line.

How the patterns are written: a possessive repeat of one character class (`[...]*+`) works on every engine, and makes a
near miss fail in linear time. A possessive or atomic group does not: CPython 3.11.0 to 3.11.4, and the 3.11.2 of
distributions, report a match although the last repetition of such a group failed (gh-106052). A field line with white
space at its end was then taken for the end of the head. So no group is repeated.
"""

import re
from typing import Final

from proxy.http1.field_names import HOLDS_SECRET
from proxy.http1.fields import NO_OPTIONS, Arrived, Entry, Index, connection_options, gather, has_many_options
from proxy.http1.limits import MessageLimits
from proxy.http1.message import RequestHead, ResponseHead
from proxy.http1.parsing.strictness import LENGTH_DIGITS
from proxy.http1.remembered import MOST_KEY_BYTES, Remembered, remember
from proxy.http1.section import SharedSection

# Heads are split at LF, which costs less than at CRLF: so a line that is matched has its CR.
_REQUEST_LINE: Final = re.compile(rb"([A-Z]{1,20}+) (/[!\"$-~]*+) HTTP/(1\.[01])\r")
_STATUS_LINE: Final = re.compile(rb"HTTP/(1\.[01]) ([1-5][0-9][0-9]) ((?:[!-~][\x20-\x7e]*+)?)")
#: Lines with white space at their end are left to the h11 parser.
_FIELD_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++):[\t ]*+([\t\x20-\x7e\x80-\xff]*+)(?<![\t ])\r")
_FRAMING: Final = (b"content-length", b"transfer-encoding")
_CHUNKED: Final = [b"chunked"]
_MOST_OPTIONS: Final = MessageLimits().nominations
_MOST_FIELDS: Final = MessageLimits().field_count
_LINE_END: Final = b"\r\n"
_LF: Final = b"\n"
_HEAD_END: Final = b"\r\n\r\n"


class _NotPlain(Exception):
    """The head is not plain: the h11 parser has to read it."""


def _new_field_line(text: bytes) -> Entry:
    """Read a line that is not remembered, and remember it unless it may hold a secret."""
    found = _FIELD_LINE.fullmatch(text)
    if found is None:
        raise _NotPlain
    name, value = found.groups()
    read = Entry(name, value, text)
    if len(text) <= MOST_KEY_BYTES and not HOLDS_SECRET[name]:
        remember(_FIELD_LINES, text, read, _MOST_LINES)
    return read


def _status_line(text: bytes) -> tuple[bytes, int, bytes]:
    found = _STATUS_LINE.fullmatch(text)
    if found is None:
        raise _NotPlain
    version, status, reason = found.groups()
    return version, int(status), reason


#: Status lines by their bytes, without the line end.
_STATUS_LINES: Final = Remembered(_status_line, 64)
#: Field lines by their bytes, with CR. A plain dict, not `Remembered`, whose calls go through the
#: interpreter even where this module is compiled.
_FIELD_LINES: Final[dict[bytes, Entry]] = {}
_MOST_LINES: Final = 1024

#: Sections of responses by their bytes, without the last line's end.
_SECTIONS: Final[dict[bytes, SharedSection]] = {}
_MOST_SECTIONS: Final = 256
_LONGEST_SECTION: Final = 2048


def parse_plain_request(
    data: bytes, most_options: int = _MOST_OPTIONS, most_fields: int = _MOST_FIELDS
) -> tuple[RequestHead, int] | None:
    """Read the request head in origin-form that `data` begins with; return it, and where it ends. None: the h11
    parser has to read it, or more has to arrive."""
    end = data.find(_HEAD_END)
    if end < 0:
        return None
    texts = data[: end + 1].split(_LF, most_fields + 1)
    if len(texts) > most_fields + 1:
        return None  # too many: refused by their number, before an object is made of each
    found = _REQUEST_LINE.fullmatch(texts.pop(0))
    if found is None:
        return None
    method, target, version = found.groups()
    try:
        lines, known, arrived = gather([_FIELD_LINES.get(text) or _new_field_line(text) for text in texts])
    except _NotPlain:
        return None
    if not _is_plain(known, most_options) or (b"host" not in known and version == b"1.1"):
        return None
    options = connection_options(known) if b"connection" in known else NO_OPTIONS
    return RequestHead(method, target, version, lines, known, options, arrived), end + 4


def parse_plain_response(
    data: bytes, most_options: int = _MOST_OPTIONS, most_fields: int = _MOST_FIELDS
) -> tuple[ResponseHead, int] | None:
    """Read the response head that `data` begins with, interim or final, but no 101; return it, and where
    it ends. None: the h11 parser has to read it, or more has to arrive."""
    end = data.find(_HEAD_END)
    if end < 0:
        return None
    line_end = data.find(_LINE_END)
    section = data[line_end + 2 : end] if line_end < end else b""
    try:
        version, status, reason = _STATUS_LINES[data[:line_end]]
        arrived: Arrived | None
        shared = _SECTIONS.get(section)
        if shared is None:
            texts = data[line_end + 2 : end + 1].split(_LF, most_fields) if section else []
            if len(texts) > most_fields:
                return None  # too many: refused by their number, before an object is made of each
            lines, known, arrived = gather([_FIELD_LINES.get(text) or _new_field_line(text) for text in texts])
        else:
            texts, lines, known, arrived = [], shared.fields, shared.known, None
    except _NotPlain:
        return None
    if (
        # A shared section is plain by the usual limit, or it would not be shared.
        ((shared is None or most_options < _MOST_OPTIONS) and not _is_plain(known, most_options))
        or len(lines) > most_fields
        or (status < 200 and (status == 101 or not known.keys().isdisjoint(_FRAMING)))
        or (b"transfer-encoding" in known and version == b"1.0")
    ):
        return None
    options = connection_options(known) if shared is None else shared.options
    # Only lines that hold no secret are remembered.
    is_short = most_options <= _MOST_OPTIONS and len(section) <= _LONGEST_SECTION
    if texts and is_short and all(map(_FIELD_LINES.__contains__, texts)):
        shared = SharedSection(lines, known, options)
        remember(_SECTIONS, section, shared, _MOST_SECTIONS)
    return ResponseHead(status, reason, version, lines, known, options, shared, arrived), end + 4


def _is_plain(known: Index, most_options: int) -> bool:
    """Whether nothing in an index is out of the ordinary: framing, host, or the length of `Connection`."""
    if b"connection" in known:
        values = known[b"connection"]
        # Each option takes a byte at least, so a short value needs no counting.
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
