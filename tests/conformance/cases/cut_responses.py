"""Responses that break off: a cut one never looks whole (RFC 9112 §8)."""

from tests.conformance.cases.shared import GET, NEXT, case
from tests.conformance.checks.at_client import closed, cut, got_body, status, statuses
from tests.conformance.checks.at_upstream import fresh
from tests.conformance.checks.check import either
from tests.conformance.steps import OK, Case, Close, Level, NewConnection, Pause, Reset, Response, Step, Verdict

_CHUNKED = "HTTP/1.1 200 OK|Transfer-Encoding: chunked||"


def _cut(name: str, title: str, *answer: Step, version: str = "1.1", reference: str = "RFC 9112 §8") -> Case:
    level = Level.SHOULD if version == "1.1" else Level.GOOD
    return Case(f"response-cut-{name}", title, reference, level, (f"GET / HTTP/{version}|Host: h||", Verdict()),
                (cut(), either(status(502, 500), closed())), (answer,))  # fmt: skip


CASES = [
    _cut("length", "a body shorter than its length", "HTTP/1.1 200 OK|Content-Length: 9||abc", Pause(0.05), Close()),
    _cut("length-reset", "a body that ends in a reset", "HTTP/1.1 200 OK|Content-Length: 9||abc", Pause(0.05), Reset()),
    _cut("length-at-once", "a body that is cut in the segment of its head", "HTTP/1.1 200 OK|Content-Length: 9||abc",
         Close()),
    _cut("chunked", "chunks without a last one", _CHUNKED + "3|abc|", Pause(0.05), Close()),
    _cut("chunked-within", "a chunk that is cut", _CHUNKED + "9|abc", Pause(0.05), Close()),
    _cut("chunked-reset", "chunks that end in a reset", _CHUNKED + "3|abc|", Pause(0.05), Reset()),
    _cut("chunked-trailers", "trailers that are cut", _CHUNKED + "3|abc|0|X-T: 1|", Pause(0.05), Close()),
    _cut("chunk-size", "a bad chunk size in mid-body", _CHUNKED + "3|abc|", Pause(0.05), "zz|abc|0||", Close(),
         reference="RFC 9112 §7.1"),
    _cut("chunk-end", "data longer than its chunk", _CHUNKED + "3|abcdef|0||", Close(), reference="RFC 9112 §7.1"),
    _cut("chunked-to-1.0", "chunks without a last one, to an HTTP/1.0 client that knows only the end", _CHUNKED +
         "3|abc|", Pause(0.05), Close(), version="1.0"),
]  # fmt: skip

CASES += [
    *(
        Case(f"until-close-reset-{version}", f"a body until close that ends in a reset is cut for a {version} client, too",
             "RFC 9112 §8", Level.GOOD, (f"GET / HTTP/{version}|Host: h||", Response()), (cut(),),
             (("HTTP/1.1 200 OK||part", Pause(), Reset()),))
        for version in ("1.0", "1.1")
    ),
    Case("cut-status-line", "an end within the status line is a 502, and the client's connection goes on",
         "RFC 9110 §15.6.3", Level.GOOD, (GET, Response(), NEXT, Response()), (status(502, 503),),
         (("HTTP/1.1 20", Close()), OK), promise=(statuses(502, 200),)),
    Case("cut-last-chunk", "a last chunk without the section's end is no end", "RFC 9112 §8", Level.MUST, (GET, Response()),
         (cut(),), (("HTTP/1.1 200 OK|Transfer-Encoding: chunked||3|abc|0|", Close()),)),
    case("reset-in-head", "an upstream that resets within its head is a 502", "RFC 9110 §15.6.3", Level.MUST,
         (GET, Response(), NEXT, Response()), (statuses(502, 200),), ("HTTP/1.1 200 OK|X", Pause(0.03), Reset()), OK),
    Case("response-cut-not-reused", "after a cut body the next request gets a whole answer", "RFC 9112 §8", Level.MUST,
         (GET, Verdict(), NewConnection(), GET, Response()), (status(200, at=-1), got_body(b"ok", at=-1), fresh()),
         (("HTTP/1.1 200 OK|Content-Length: 9||abc", Close()), OK)),
]  # fmt: skip
