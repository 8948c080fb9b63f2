"""`onehop explain`: what a hop does with a head, field by field, and by which rule.

Asks the same functions as the proxy, so it cannot say anything else than what happens on the wire.
"""

import re
from typing import Final, NamedTuple

import msgspec

from proxy.errors import BadRequest
from proxy.http1 import writer
from proxy.http1.fields import Fields
from proxy.http1.framing import outgoing_response_framing, request_framing, response_framing
from proxy.http1.hop_by_hop import Verdict
from proxy.http1.message import BodyFraming, Chunked, FixedLength, NoBody, RequestHead
from proxy.http1.persistence import persists
from proxy.http1.reader import HeadReader
from proxy.http1.screening import MessageLimits, asks_for_trailers
from proxy.http1.target import request_target
from proxy.policy.answers import SECRET_FIELDS
from proxy.policy.forwarding import Hop, Intent, downstream_response, upstream_request

_HOP: Final = Hop(pseudonym=b"onehop", peer=b"192.0.2.1")  # a client from the documentation's network (RFC 5737)
_WEBSOCKET: Final = b"websocket"


class Note(msgspec.Struct):
    """One field line, and what became of it."""

    name: str
    value: str
    verdict: str
    rule: str


class Explanation(NamedTuple):
    """What a hop does with one message."""

    notes: list[Note]
    remarks: list[str]  # connection and body
    sent: str  # the head that goes on


def as_wire(text: bytes) -> bytes:
    """A head as a person typed it: LF becomes CRLF, and the empty line at the end may be left out."""
    if b"\r" not in text:
        text = text.replace(b"\n", b"\r\n")
    head = text.lstrip(b"\r\n").partition(b"\r\n\r\n")[0]
    return head.rstrip(b"\r\n") + b"\r\n\r\n"


def explain_request(raw_head: bytes) -> Explanation:
    """What happens to a request. Raises ProxyError where the proxy refuses it."""
    reader = HeadReader(MessageLimits(), recognise=False)
    reader.receive(raw_head)
    head = reader.request_head()
    if head is None:
        raise BadRequest("the head is not complete")
    target = request_target(head)
    framing = request_framing(head)
    intent = Intent(
        authority=target.authority,
        host=target.authority or b"the-upstream",
        framing=framing,
        request_id=b"a-new-id",
        upgrade=_upgrade(head, framing),
        wants_trailers=asks_for_trailers(head.known),
    )
    verdicts: list[Verdict] = []
    lines = upstream_request(head, _HOP, intent, verdicts=verdicts)
    remarks = [
        _persistence(head.http_version, head.options, "client"),
        f"the body: {_named(framing)}, and so it goes on",
    ]
    sent = writer.request_head(head.method, target.origin_form, _safe(lines))
    return Explanation(notes(verdicts), remarks, _shown(sent))


def explain_response(raw_head: bytes) -> Explanation:
    """What happens to a response to a GET by an HTTP/1.1 client. Raises ProxyError where the proxy refuses it."""
    reader = HeadReader(MessageLimits(), recognise=False)
    reader.receive(raw_head)
    head = reader.response_head()
    if head is None:
        raise BadRequest("the head is not complete")
    framing = response_framing(head, b"GET")
    outgoing = outgoing_response_framing(framing, b"1.1")
    verdicts: list[Verdict] = []
    date = b"Thu, 01 Jan 1970 00:00:00 GMT"
    lines = downstream_response(head, _HOP, outgoing, date, None, verdicts=verdicts)
    remarks = [
        _persistence(head.http_version, head.options, "upstream"),
        f"the body: {_named(framing)}; it goes on {_named(outgoing)}",
    ]
    return Explanation(notes(verdicts), remarks, _shown(writer.response_head(head.status, head.reason, _safe(lines))))


def notes(verdicts: list[Verdict]) -> list[Note]:
    """Verdicts as text. A secret's value is not shown."""
    return [
        Note(name.decode("latin-1"), value.decode("latin-1"), verdict.outcome, verdict.rule)
        for verdict in verdicts
        for name, value in _safe([verdict.line])
    ]


def demo_lines(url: str) -> list[str]:
    """What to try on `onehop demo`."""
    return [
        "",
        "Try it:",
        f"  open {url}/ in a browser",
        f"  curl -H 'Connection: close, X-Secret' -H 'X-Secret: 1' {url}/echo",
        f"  curl -i {url}/hop",
        f"  curl -i {url}/early-hints",
        f"  curl -i --raw -H 'TE: trailers' -H 'Connection: TE' {url}/trailers",
        f"  curl -N {url}/events",
        "",
    ]


def _safe(lines: Fields) -> Fields:
    return [
        (name, b"*** (%d bytes)" % len(value)) if name.lower() in SECRET_FIELDS else (name, value)
        for name, value in lines
    ]


def _shown(head: bytes) -> str:
    text = head.decode("latin-1").replace("\r\n", "\n").rstrip("\n")
    return re.sub(r"[^\n\t -~\u00a0-\u00ff]", "?", text)


def _upgrade(head: RequestHead, framing: BodyFraming) -> bytes | None:
    wanted = [value.strip().lower() for value in head.known.get(b"upgrade", ())]
    asked = b"upgrade" in head.options and wanted == [_WEBSOCKET] and isinstance(framing, NoBody)
    return _WEBSOCKET if asked else None


def _persistence(version: bytes, options: frozenset[bytes], side: str) -> str:
    said = ", ".join(sorted(option.decode("latin-1") for option in options & {b"close", b"keep-alive"}))
    stays = "stays open" if persists(version, options) else "closes"
    return f"the {side}'s connection {stays}: HTTP/{version.decode()} with {said or 'neither close nor keep-alive'}"


def _named(framing: BodyFraming) -> str:
    if isinstance(framing, NoBody):
        return "none"
    if isinstance(framing, FixedLength):
        return f"{framing.length} bytes"
    return "chunked" if isinstance(framing, Chunked) else "until close"
