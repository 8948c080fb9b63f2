"""Responses that two recipients could read in two ways (RFC 9112 §2.2, §6, §7)."""

from tests.conformance.cases.shared import GET, HOP, NEXT, case, ok
from tests.conformance.checks.at_client import cut, got, got_body, got_lacks, got_whole, nowhere, status, statuses
from tests.conformance.checks.at_upstream import reused
from tests.conformance.checks.check import either, every
from tests.conformance.steps import (
    OK,
    Close,
    Level,
    Pause,
    Response,
    Verdict,
)

_BAD_CODINGS = [
    ("twice", "Transfer-Encoding: chunked, chunked"), ("lines", "Transfer-Encoding: chunked|Transfer-Encoding: chunked"),
    ("identity", "Transfer-Encoding: chunked, identity"), ("not-last", "Transfer-Encoding: chunked, gzip"),
    ("x", "Transfer-Encoding: xchunked"), ("space", "Transfer-Encoding : chunked|Content-Length: 3"),
    ("vt", "Transfer-Encoding: \x0bchunked|Content-Length: 3"), ("quoted", 'Transfer-Encoding: "chunked"'),
]  # fmt: skip
_BODY = "3|abc|0||" + "HTTP/1.1 200 OK|Content-Length: 4||evil"

CASES = [
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
