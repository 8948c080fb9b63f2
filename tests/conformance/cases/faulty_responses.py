"""Faulty responses become a 502, and odd ones are read in one way (RFC 9112 §4, §6.3)."""

from tests.conformance.cases.shared import GET, HOP, NEXT, case, ok
from tests.conformance.checks.at_client import (
    cut,
    got,
    got_body,
    got_lacks,
    got_like,
    got_whole,
    nowhere,
    status,
    statuses,
)
from tests.conformance.checks.at_upstream import reused
from tests.conformance.checks.check import either, every
from tests.conformance.steps import OK, Case, Check, Close, Level, Pause, Response, Verdict, w

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
    return Case(f"response-framing-{name}", title, reference, level, (GET, Verdict()), expect,
                ((w(raw) + w(then), Close()),), promise=promise)  # fmt: skip


_5 = every(status(200), got_body(b"abcde"))

CASES = [
    _faulty("cl-te", "both Content-Length and Transfer-Encoding",
            "HTTP/1.1 200 OK|Content-Length: 5|Transfer-Encoding: chunked||3|abc|0||", "RFC 9112 §6.1",
            every(status(200), got_body(b"abc"))),
    _faulty("two-lengths", "two differing Content-Length lines",
            "HTTP/1.1 200 OK|Content-Length: 5|Content-Length: 4||abcde", "RFC 9112 §6.3"),
    _faulty("two-lengths-list", "a list of differing lengths", "HTTP/1.1 200 OK|Content-Length: 5, 4||abcde", "RFC 9112 §6.3"),
    _faulty("two-lengths-equal", "two equal lengths are refused, or made one",
            "HTTP/1.1 200 OK|Content-Length: 5|Content-Length: 5||abcde", "RFC 9112 §6.3", _5),
    _faulty("length-plus", "`Content-Length: +5`", "HTTP/1.1 200 OK|Content-Length: +5||abcde", "RFC 9112 §6.3"),
    _faulty("length-minus", "`Content-Length: -5`", "HTTP/1.1 200 OK|Content-Length: -5||abcde", "RFC 9112 §6.3"),
    _faulty("length-letters", "`Content-Length: 5a`", "HTTP/1.1 200 OK|Content-Length: 5a||abcde", "RFC 9112 §6.3"),
    _faulty("length-overflow", "a Content-Length over 64 bits",
            "HTTP/1.1 200 OK|Content-Length: 18446744073709551621||abcde", "RFC 9112 §6.3"),
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

_BAD_CODINGS = [
    ("twice", "Transfer-Encoding: chunked, chunked"), ("lines", "Transfer-Encoding: chunked|Transfer-Encoding: chunked"),
    ("identity", "Transfer-Encoding: chunked, identity"), ("not-last", "Transfer-Encoding: chunked, gzip"),
    ("x", "Transfer-Encoding: xchunked"), ("space", "Transfer-Encoding : chunked|Content-Length: 3"),
    ("vt", "Transfer-Encoding: \x0bchunked|Content-Length: 3"), ("quoted", 'Transfer-Encoding: "chunked"'),
]  # fmt: skip

_BODY = "3|abc|0||" + "HTTP/1.1 200 OK|Content-Length: 4||evil"

CASES += [
    Case("version-1.2-response", "a response of HTTP/1.2 is read as 1.1", "RFC 9110 §2.5", Level.SHOULD,
         (GET, Response(), NEXT, Response()), (statuses(200, 200), reused()),
         ("HTTP/1.2 200 OK|Content-Length: 2||ok",)),
    *(
        case(f"resp-te-{name}", f"`{lines.replace('|', ', ')}` in a response reaches no client as a good one",
             "RFC 9112 §6.1", Level.MUST, (GET, Verdict()), (either(status(502), cut()),), (f"HTTP/1.1 200 OK|{lines}||{_BODY}", Close()))
        for name, lines in _BAD_CODINGS
    ),
    case("resp-length-list", "`5, 5` in a response is 5, or refused", "RFC 9112 §6.3", Level.MUST, GET,
         (either(status(502), every(status(200), got_body(b"abcde"), got("Content-Length", "5"))),),
         "HTTP/1.1 200 OK|Content-Length: 5, 5||abcde"),
    case("resp-length-space", "a length with white space round it", "RFC 9112 §5.1", Level.MUST, GET, (status(200), got_body(b"abcde")),
         "HTTP/1.1 200 OK|Content-Length: \t 5 \t||abcde"),
    case("resp-length-zeros", "a length with leading zeros", "RFC 9112 §6.3", Level.MUST, GET,
         (either(status(502), every(status(200), got_body(b"abcde"))),), "HTTP/1.1 200 OK|Content-Length: 0005||abcde"),
    case("resp-length-empty", "an empty length", "RFC 9112 §6.3", Level.MUST, (GET, Verdict()), (either(status(502), cut()),),
         ("HTTP/1.1 200 OK|Content-Length:||abcde", Close())),
    case("resp-length-304-bad", "two lengths in a 304", "RFC 9112 §6.3", Level.GOOD, (GET, Verdict()), (status(502, 304),),
         "HTTP/1.1 304 N|Content-Length: 5|Content-Length: 6||"),
    case("resp-head-both", "both lengths in answer to HEAD: one at most goes on", "RFC 9112 §6.1", Level.MUST,
         ("HEAD / HTTP/1.1|Host: h||", Response("HEAD"), NEXT, Response()),
         (status(200, 502), status(200, at=1), lambda r: None if len(r.responses[0].values("content-length") + r.responses[0].values("transfer-encoding")) < 2 else "both"),
         "HTTP/1.1 200 OK|Content-Length: 5|Transfer-Encoding: chunked||", OK),
    case("resp-space-first", "white space before the first field line", "RFC 9112 §2.2", Level.MUST, (GET, Verdict()),
         (either(status(502), every(status(200), nowhere("evil"))),), "HTTP/1.1 200 OK| X-A: evil|Content-Length: 2||ok"),
    case("resp-empty-line-first", "an empty line before a status line: skipped, or refused", "RFC 9112 §2.2", Level.GOOD,
         (GET, Verdict()), (either(status(502), got_body(b"ok")),), ("|" + OK, Close())),
    case("resp-099", "a status below 100 is no status", "RFC 9110 §15", Level.GOOD, (GET, Verdict()), (status(502, 500),),
         (OK.replace("200", "099"), Close())),
    case("resp-600", "a status over 599 is a server's error, or goes on", "RFC 9110 §15", Level.GOOD, (GET, Verdict()),
         (either(status(502, 500), status(600)),), OK.replace("200", "600")),
    case("resp-version-lower", "`http/1.1` is no version", "RFC 9112 §2.3", Level.GOOD, (GET, Verdict()), (status(502),),
         (OK.replace("HTTP", "http"), Close())),
    case("resp-reason-split", "a reason phrase with a bare CR splits nothing", "RFC 9112 §2.2", Level.MUST, (GET, Verdict()),
         (either(status(502), status(200)), got_lacks("Set-Cookie")),
         (b"HTTP/1.1 200 OK\rSet-Cookie: a\r\nContent-Length: 2\r\n\r\nok", Close())),
    case("resp-name-cr", "a field name with a bare LF before it splits nothing", "RFC 9112 §2.2", Level.MUST, (GET, Verdict()),
         (either(status(502), got_body(b"ok")),), (b"HTTP/1.1 200 OK\r\nX: 1\nContent-Length: 0\r\nContent-Length: 2\r\n\r\nok", Close())),
    case("resp-chunk-overflow", "a chunk size over 64 bits", "RFC 9112 §7.1", Level.MUST, (GET, Verdict()), (cut(),),
         ("HTTP/1.1 200 OK|Transfer-Encoding: chunked||10000000000000003|abc|0||", Close())),
    *(
        case(f"resp-chunk-zeros-{digits}", f"a chunk size of {digits} digits, most of them zeros", "RFC 9112 §7.1", Level.MUST,
             (GET, Response(), NEXT, Response()), (statuses(200, 200), got_body(b"abc"), got_body(b"ok", at=1)),
             "HTTP/1.1 200 OK|Transfer-Encoding: chunked||" + "0" * (digits - 1) + "3|abc|" + "0" * digits + "||", OK)
        for digits in (16, 40)
    ),
    case("resp-chunk-lf", "a bare LF behind a chunk", "RFC 9112 §7.1", Level.GOOD, (GET, Verdict()), (either(cut(), got_body(b"abc")),),
         (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n", Close())),
    case("resp-trailer-fault", "a faulty trailer section ends no response cleanly", "RFC 9112 §7.1.2", Level.GOOD, (GET, Verdict()),
         (either(cut(), every(got_body(b"abc"), nowhere("evil"))),),
         ("HTTP/1.1 200 OK|Transfer-Encoding: chunked||3|abc|0|X T: evil||", Close())),
    case("resp-204-chunked-later", "chunks that come after a 204 are nobody's answer", "RFC 9112 §6.3", Level.MUST,
         (GET, Response(), Pause(), NEXT, Response()), (statuses(204, 200), got_body(b"ok", at=1), nowhere("evil")),
         ("HTTP/1.1 204 N|Transfer-Encoding: chunked||", Pause(0.02), "4|evil|0||"), OK),
    case("resp-205", "a 205 with a body: goes on whole, or without it; the next answer is right", "RFC 9110 §15.3.6", Level.MUST,
         (GET, Response(), NEXT, Response()), (statuses(205, 200), got_body(b"ok", at=1)), "HTTP/1.1 205 R|Content-Length: 4||evil", OK),
    case("resp-pieces", "head, body and next head split at every odd place", "RFC 9112 §2.2", Level.MUST,
         (GET, Response(), NEXT, Response()), (statuses(200, 200), got_body(b"okok"), reused()),
         ("HTTP/1.1 200 OK\r".replace("|", ""), Pause(0.01), "\nTransfer-Encoding: chunked\r\n\r", Pause(0.01), "\n2\r", Pause(0.01),
          "\nok\r", Pause(0.01), "\n2;a=\"\\", Pause(0.01), "\"\"\r\nok\r\n0\r\n\r", Pause(0.01), "\n"), OK),
    case("resp-fields-many", "too many response fields are a 502, or go on whole", "RFC 9110 §5.4", Level.GOOD, (GET, Verdict()),
         (either(every(status(502), got_whole()), every(status(200), got("X-199", "1"))),),
         "HTTP/1.1 200 OK|" + "".join(f"X-{i}: 1|" for i in range(200)) + "Content-Length: 2||ok"),
    case("resp-nominations-many", "too many nominations in a response: refused, or all count", HOP, Level.MUST, (GET, Verdict()),
         (either(status(502), every(status(200), got_lacks("X-Last"))),),
         ok("Connection: " + ",".join(f"x{i}" for i in range(400)) + ",x-last|X-Last: 1")),
]  # fmt: skip
