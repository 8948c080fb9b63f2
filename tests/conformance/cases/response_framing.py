"""Where a response ends: a faulty one becomes a 502, and a cut one never looks whole (RFC 9112 §6.3, §8)."""

from tests.conformance.checks.at_client import (
    closed,
    cut,
    got_body,
    got_framing,
    got_lacks,
    got_like,
    got_without_extensions,
    nowhere,
    status,
    statuses,
)
from tests.conformance.checks.at_upstream import fresh, requests
from tests.conformance.checks.check import either, every
from tests.conformance.steps import (
    Case,
    Check,
    Close,
    Level,
    NewConnection,
    Pause,
    Reset,
    Response,
    Slowly,
    Step,
    Verdict,
    w,
)

_GET = "GET / HTTP/1.1|Host: h||"
_LENGTH = "RFC 9112 §6.3"
_OK = "HTTP/1.1 200 OK|Content-Length: 2||ok"


_SURPLUS = "HTTP/1.1 200 OK|Content-Length: 4||evil"


def _faulty(
    name: str,
    title: str,
    raw: str | bytes,
    reference: str,
    *also: Check,
    level: Level = Level.MUST,
    then: str = _SURPLUS,
) -> Case:
    """A response that no client may see as a good one, with another behind it that none may see at all. `also` is
    allowed instead."""
    verdict = either(status(500, 502, 503), cut(), *also)
    expect = (verdict, nowhere("evil")) if then else (verdict,)
    promise = () if name == "two-lengths-equal" else (status(502),)
    return Case(f"response-framing-{name}", title, reference, level, (_GET, Verdict()), expect,
                ((w(raw) + w(then), Close()),), promise=promise)  # fmt: skip


_5 = every(status(200), got_body(b"abcde"))

CASES = [
    _faulty("cl-te", "both Content-Length and Transfer-Encoding",
            "HTTP/1.1 200 OK|Content-Length: 5|Transfer-Encoding: chunked||3|abc|0||", "RFC 9112 §6.1",
            every(status(200), got_body(b"abc"))),
    _faulty("two-lengths", "two differing Content-Length lines",
            "HTTP/1.1 200 OK|Content-Length: 5|Content-Length: 4||abcde", _LENGTH),
    _faulty("two-lengths-list", "a list of differing lengths", "HTTP/1.1 200 OK|Content-Length: 5, 4||abcde", _LENGTH),
    _faulty("two-lengths-equal", "two equal lengths are refused, or made one",
            "HTTP/1.1 200 OK|Content-Length: 5|Content-Length: 5||abcde", _LENGTH, _5),
    _faulty("length-plus", "`Content-Length: +5`", "HTTP/1.1 200 OK|Content-Length: +5||abcde", _LENGTH),
    _faulty("length-minus", "`Content-Length: -5`", "HTTP/1.1 200 OK|Content-Length: -5||abcde", _LENGTH),
    _faulty("length-letters", "`Content-Length: 5a`", "HTTP/1.1 200 OK|Content-Length: 5a||abcde", _LENGTH),
    _faulty("length-overflow", "a Content-Length over 64 bits",
            "HTTP/1.1 200 OK|Content-Length: 18446744073709551621||abcde", _LENGTH),
    _faulty("te-1.0", "Transfer-Encoding in HTTP/1.0 is faulty framing",
            "HTTP/1.0 200 OK|Transfer-Encoding: chunked||3|abc|0||", "RFC 9112 §6.1",
            every(status(200), got_body(b"abc")), every(status(200), got_body(b"3\r\nabc\r\n0\r\n\r\n")), then=""),  # until close, it would all be the body
    _faulty("te-unknown", "a transfer coding nobody asked for", "HTTP/1.1 200 OK|Transfer-Encoding: odd||abc",
            "RFC 9112 §6.1", level=Level.GOOD, then=""),
    _faulty("garbage", "what is no HTTP at all", "220 smtp.evil ESMTP|||", "RFC 9110 §15.6.3", level=Level.GOOD),
    _faulty("no-status", "a status line without a status", "HTTP/1.1 OK|Content-Length: 2||ok", "RFC 9110 §15.6.3",
            level=Level.GOOD),
    _faulty("status-two-digits", "a status of two digits", "HTTP/1.1 20 OK|Content-Length: 2||ok", "RFC 9112 §4",
            level=Level.GOOD),
    _faulty("status-four-digits", "a status of four digits", "HTTP/1.1 2000 OK|Content-Length: 2||ok", "RFC 9112 §4",
            level=Level.GOOD),
    _faulty("http2", "HTTP/2 in a status line", "HTTP/2.0 200 OK|Content-Length: 2||ok", "RFC 9110 §2.5",
            level=Level.GOOD),
    _faulty("no-colon", "a field line without a colon", "HTTP/1.1 200 OK|nonsense|Content-Length: 2||ok",
            "RFC 9112 §5.1", every(status(200), nowhere("nonsense")), level=Level.GOOD),
    _faulty("nul", "a NUL in a value is refused, or becomes SP", b"HTTP/1.1 200 OK\r\nX-A: 1\x002\r\nContent-Length: 2\r\n\r\nok",
            "RFC 9110 §5.5", every(status(200), got_like("X-A", "1 2"))),
    _faulty("bare-cr", "a bare CR in a value is refused, or becomes SP",
            b"HTTP/1.1 200 OK\r\nX-A: 1\rSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok", "RFC 9112 §2.2",
            every(status(200), got_like("X-A", "1 +Set-Cookie: a=b"))),
    _faulty("fold", "a folded line is refused, or joined with SP", "HTTP/1.1 200 OK|X-A: 1| 2|Content-Length: 2||ok",
            "RFC 9112 §5.2", every(status(200), got_like("X-A", "1 +2"))),
    _faulty("bare-lf", "bare LF line ends are refused, or go on as CRLF",
            b"HTTP/1.1 200 OK\nX-A: 1\nContent-Length: 2\n\nok", "RFC 9112 §2.2", every(status(200), got_body(b"ok"))),
    _faulty("space-before-colon", "a space before the colon does not reach the client",
            "HTTP/1.1 200 OK|X-A : 1|Content-Length: 2||ok", "RFC 9112 §5.1",
            every(status(200), either(got_like("X-A", "1"), got_lacks("X-A")))),
    _faulty("name-no-token", "a name that is no token", "HTTP/1.1 200 OK|X(A): 1|Content-Length: 2||ok",
            "RFC 9112 §5.1", every(status(200), nowhere("X(A)")), level=Level.GOOD),
    _faulty("empty", "an upstream that just closes", b"", "RFC 9110 §15.6.3", then=""),
    _faulty("head-cut", "a head that is cut", "HTTP/1.1 200 OK|X-A: 1|", "RFC 9112 §8", then=""),
]  # fmt: skip

# -- bodies that are cut, or broken, after the head has gone on ----------------------------------------------------

_CHUNKED = "HTTP/1.1 200 OK|Transfer-Encoding: chunked||"


def _cut(name: str, title: str, *answer: Step, version: str = "1.1", reference: str = "RFC 9112 §8") -> Case:
    level = Level.SHOULD if version == "1.1" else Level.GOOD
    return Case(f"response-cut-{name}", title, reference, level, (f"GET / HTTP/{version}|Host: h||", Verdict()),
                (cut(), either(status(502, 500), closed())), (answer,))  # fmt: skip


CASES += [
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
    Case("response-cut-not-reused", "after a cut body the next request gets a whole answer", "RFC 9112 §8", Level.MUST,
         (_GET, Verdict(), NewConnection(), _GET, Response()), (status(200, at=-1), got_body(b"ok", at=-1), fresh()),
         (("HTTP/1.1 200 OK|Content-Length: 9||abc", Close()), _OK)),
    # -- how a good response is delimited
    Case("response-until-close", "a body until close arrives whole", _LENGTH, Level.MUST, _GET,
         (status(200), got_body(b"abcde")), (("HTTP/1.1 200 OK||abc", Pause(0.02), "de", Close()),)),
    Case("response-until-close-1.0", "also to an HTTP/1.0 client", _LENGTH, Level.MUST, "GET / HTTP/1.0|Host: h||",
         (status(200), got_body(b"abcde"), got_framing("close", "length")), (("HTTP/1.0 200 OK||abcde", Close()),)),
    Case("response-length-kept", "a known length stays known", _LENGTH, Level.GOOD, _GET,
         (got_framing("length"), got_body(b"ok")), (_OK,)),
    Case("response-chunked-bytewise", "a chunked response, one byte per segment", "RFC 9112 §7.1", Level.MUST, _GET,
         (status(200), got_body(b"abcde")), ((Slowly(_CHUNKED + "3;x=y|abc|2|de|0||"),),)),
    Case("response-chunk-extension", "chunk extensions of a response go no further", "RFC 9112 §7.1.1", Level.GOOD,
         _GET, (status(200), got_body(b"abc"), got_without_extensions()), (_CHUNKED + "3;evil=1|abc|0;evil||",)),
    Case("response-chunked-to-1.0", "an HTTP/1.0 client gets no chunks", "RFC 9112 §6.1", Level.MUST,
         "GET / HTTP/1.0|Host: h||", (status(200), got_body(b"abc"), got_framing("close", "length")),
         (_CHUNKED + "3|abc|0||",)),
    Case("response-large", "a megabyte arrives whole", _LENGTH, Level.MUST, _GET,
         (status(200), got_body(b"x" * 1_000_000)),
         (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000,)),
    Case("response-head-204", "a 204 has no body, whatever length it states", _LENGTH, Level.MUST,
         (_GET, Response(), "GET /2 HTTP/1.1|Host: h||", Response()),
         (either(every(statuses(204, 200), got_body(b"ok", at=1)), status(502)),),
         ("HTTP/1.1 204 No Content|Content-Length: 0||", _OK)),
    Case("response-head-304", "a 304 has no body, and may state a length", _LENGTH, Level.MUST,
         (_GET, Response(), "GET /2 HTTP/1.1|Host: h||", Response()), (statuses(304, 200), got_body(b"ok", at=1)),
         ("HTTP/1.1 304 Not Modified|Content-Length: 99|ETag: \"a\"||", _OK)),
    Case("response-head-length", "the response to HEAD keeps the length it states, and has no body", "RFC 9110 §9.3.2",
         Level.MUST, ("HEAD / HTTP/1.1|Host: h||", Response("HEAD"), "GET /2 HTTP/1.1|Host: h||", Response()),
         (statuses(200, 200), got_body(b"ok", at=1), got_like("Content-Length", "99")),
         ("HTTP/1.1 200 OK|Content-Length: 99||", _OK)),
    Case("response-head-chunked", "the response to HEAD may state chunks, and has none", "RFC 9110 §9.3.2", Level.MUST,
         ("HEAD / HTTP/1.1|Host: h||", Response("HEAD"), "GET /2 HTTP/1.1|Host: h||", Response()),
         (statuses(200, 200), got_body(b"ok", at=1)), ("HTTP/1.1 200 OK|Transfer-Encoding: chunked||", _OK)),
    Case("response-reason", "a response without a reason phrase is a response", "RFC 9112 §4", Level.MUST, _GET,
         (status(200), got_body(b"ok"), requests(1)), ("HTTP/1.1 200 |Content-Length: 2||ok",)),
    Case("response-unknown-status", "an unknown status goes on", "RFC 9110 §15", Level.MUST, _GET,
         (status(299), got_body(b"ok")), ("HTTP/1.1 299 Odd|Content-Length: 2||ok",)),
]  # fmt: skip
