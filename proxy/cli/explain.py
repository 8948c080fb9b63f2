"""`onehop explain`: what a hop does with a head, field by field, and by which rule.

Asks the same functions as the proxy, so it cannot say anything else than what happens on the wire.
"""

import re
from email.utils import formatdate
from typing import Final, NamedTuple, assert_never

import msgspec

from proxy.errors import BadRequest, BadResponse
from proxy.http1 import writer
from proxy.http1.fields import Fields, tokens
from proxy.http1.framing import outgoing_response_framing, request_framing, response_framing
from proxy.http1.hop_by_hop import MADE_ANEW, Verdict, strip
from proxy.http1.limits import MessageLimits
from proxy.http1.message import (
    BodyFraming,
    Chunked,
    FixedLength,
    NoBody,
    ResponseHead,
    UntilClose,
)
from proxy.http1.parsing.head_parser import HeadParser
from proxy.http1.parsing.strictness import max_forwards
from proxy.http1.persistence import persists
from proxy.http1.target import request_target
from proxy.policy.forwarding import (
    Hop,
    downstream_response,
    interim_response,
    switching_response,
    upstream_request,
)
from proxy.policy.local_responses import SECRET_FIELDS
from proxy.policy.request_plan import read_intent

_HOP: Final = Hop(pseudonym=b"onehop", peer=b"192.0.2.1")  # a client from the documentation's network (RFC 5737)
_WEBSOCKET: Final = b"websocket"
_WIDEST: Final = 60  # of a field, before the rules beside all others would leave the screen
_DROPPED_FROM_INTERIM: Final = MADE_ANEW - {b"host"}


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
    sent: str  # the head that goes on; empty where none does


def as_wire(text: bytes) -> bytes:
    """A head as a person typed it: LF becomes CRLF, and the empty line at the end may be left out."""
    if b"\r" not in text:
        text = text.replace(b"\n", b"\r\n")
    head = text.lstrip(b"\r\n").partition(b"\r\n\r\n")[0]
    return head.rstrip(b"\r\n") + b"\r\n\r\n"


def explain_request(raw_head: bytes) -> Explanation:
    """What happens to a request. Raises ProxyError where the proxy refuses it."""
    reader = HeadParser(MessageLimits(), fast_path=False)
    reader.receive(raw_head)
    head = reader.request_head()
    if head is None:
        raise BadRequest("the head is not complete")
    target = request_target(head)
    framing = request_framing(head)
    intent = read_intent(
        head,
        target,
        framing,
        host=target.authority or b"the-upstream",
        request_id=b"a-new-id",
        upgrades=frozenset({_WEBSOCKET}),
    )
    if max_forwards(head) == 0:
        answered = "nothing goes on: Max-Forwards is 0, so this hop answers (RFC 9110 §7.6.2)"
        return Explanation([], [_persistence(head.http_version, head.options, "client"), answered], "")
    verdicts: list[Verdict] = []
    lines = upstream_request(head, _HOP, intent, verdicts=verdicts)
    remarks = [
        _persistence(head.http_version, head.options, "client"),
        f"the body: {_named(framing)}, and so it goes on",
    ]
    if intent.upgrade is not None:
        remarks.append(f"if the service answers 101, the connection becomes a tunnel: {intent.upgrade.decode()}")
    sent = writer.request_head(head.method, target.origin_form, _safe(lines))
    return Explanation(notes(verdicts), remarks, _shown(sent))


def explain_response(raw_head: bytes) -> Explanation:
    """What happens to a response to a GET by an HTTP/1.1 client. Raises ProxyError where the proxy refuses it."""
    reader = HeadParser(MessageLimits(), fast_path=False)
    reader.receive(raw_head)
    head = reader.response_head()
    if head is None:
        raise BadRequest("the head is not complete")
    verdicts: list[Verdict] = []
    if head.status < 200:
        lines, remarks = _before_the_final_response(head, verdicts)
    else:
        framing = response_framing(head, b"GET")
        outgoing = outgoing_response_framing(framing, b"1.1")
        date = formatdate(usegmt=True).encode("ascii")
        lines = downstream_response(head, _HOP, outgoing, date, None, verdicts=verdicts)
        upstream = _persistence(head.http_version, head.options, "upstream")
        if isinstance(framing, UntilClose):
            upstream = "the upstream's connection closes: nothing else delimits the body"
        remarks = [upstream, f"the body: {_named(framing)}; it goes on {_named(outgoing)}"]
    return Explanation(notes(verdicts), remarks, _shown(writer.response_head(head.status, head.reason, _safe(lines))))


def _before_the_final_response(head: ResponseHead, verdicts: list[Verdict]) -> tuple[Fields, list[str]]:
    """What goes on of a 1xx: it is stripped like any message, and states nothing that the upstream did not say."""
    kept = strip(head.fields, head.options, _DROPPED_FROM_INTERIM, verdicts)
    if head.status != 101:
        return interim_response(head), ["the upstream's connection stays open: the final response is still to come"]
    offered = tokens(head.known.get(b"upgrade", ()))
    if offered != [_WEBSOCKET] or b"upgrade" not in head.options:
        raise BadResponse("switched protocols to what a client cannot have asked for")
    lines = switching_response(head, _HOP, _WEBSOCKET)
    verdicts += [Verdict(line, "set", "stated by this hop") for line in lines[len(kept) :]]
    return lines, ["both connections become a tunnel, if the client asked for it; else the answer is 502"]


def notes(verdicts: list[Verdict]) -> list[Note]:
    """Verdicts as text. A secret's value is not shown."""
    return [
        Note(name.decode("latin-1"), _shown(value), verdict.outcome, verdict.rule)
        for verdict in verdicts
        for name, value in _safe([verdict.line])
    ]


def plain(explanation: Explanation) -> list[str]:
    """An explanation as aligned text, a field to a line however long it is."""
    rows = [(note.verdict, f"{note.name}: {note.value}", note.rule) for note in explanation.notes]
    width = max((len(field) for _, field, _ in rows if len(field) <= _WIDEST), default=0)
    lines = [f"{verdict:<9}  {field:<{width}}  {rule}" for verdict, field, rule in rows]
    lines += ["", *explanation.remarks] if rows else explanation.remarks
    if explanation.sent:
        lines += ["", "The next hop is sent:", "", *(f"  {line}" for line in explanation.sent.splitlines())]
    return lines


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
    return re.sub(r"[^\n\t -~\u00a0-\u00ff]", "?", text)  # Latin-1 has control characters that terminals obey


def _persistence(version: bytes, options: frozenset[bytes], side: str) -> str:
    said = ", ".join(sorted(option.decode("latin-1") for option in options & {b"close", b"keep-alive"}))
    stays = "stays open" if persists(version, options) else "closes"
    return f"the {side}'s connection {stays}: HTTP/{version.decode()} with {said or 'neither close nor keep-alive'}"


def _named(framing: BodyFraming) -> str:
    match framing:
        case NoBody():
            return "none"
        case FixedLength(length):
            return f"{length} bytes"
        case Chunked():
            return "chunked"
        case UntilClose():
            return "until close"
        case _:
            assert_never(framing)
