"""Requests that do not wait for the answer before them (RFC 9112 §9.3.2)."""

from tests.conformance.cases.shared import CHUNKED, EXPECT, GET, INVITING, NEXT, POST, SMUGGLED, case, get, ok
from tests.conformance.checks.at_client import (
    closed,
    cut,
    got_body,
    got_framing,
    no_surplus,
    says_close,
    status,
    statuses,
)
from tests.conformance.checks.at_upstream import only_requests, requests, sent_body, sent_start, sent_trailers
from tests.conformance.checks.check import either, every
from tests.conformance.checks.verdicts import not_smuggled
from tests.conformance.steps import (
    OK,
    Case,
    Close,
    Closed,
    Early,
    HalfClose,
    Level,
    Maybe,
    Pause,
    Quiet,
    Response,
    Slowly,
    Verdict,
)

_PERSISTENCE = "RFC 9112 §9.3"
_CHUNKED = "HTTP/1.1 200 OK|Transfer-Encoding: chunked||2|ok|0||"
_NEXT = "GET /next HTTP/1.1|Host: h||"

_NUMBERED = tuple(f"HTTP/1.1 200 OK|Content-Length: 1||{number}" for number in range(1, 6))

CASES = [
    Case("pipelined-5", "five pipelined requests are answered in order", "RFC 9112 §9.3.2", Level.MUST,
         ("".join(f"GET /{i} HTTP/1.1|Host: h||" for i in range(5)), *[Response()] * 5),
         (statuses(*[200] * 5), *(got_body(str(i + 1).encode(), at=i) for i in range(5)), requests(5)), _NUMBERED),
    Case("pipelined-posts", "pipelined bodies do not run into each other", "RFC 9112 §9.3.2", Level.MUST,
         ("POST /1 HTTP/1.1|Host: h|Content-Length: 3||abcPOST /2 HTTP/1.1|Host: h|Transfer-Encoding: chunked||"
          "2|de|0||POST /3 HTTP/1.1|Host: h|Content-Length: 1||f", *[Response()] * 3),
         (statuses(200, 200, 200), sent_body(b"abc"), sent_body(b"de", at=1), sent_body(b"f", at=2))),
    Case("pipelined-then-half-close", "a client that ends its side is still answered", "RFC 9112 §9.6", Level.GOOD,
         (GET + _NEXT, HalfClose(), Response(), Response()), (statuses(200, 200), requests(2))),
    Case("unread-body-get", "a GET's body is not the next request", "CVE-2025-4366", Level.MUST,
         ("GET / HTTP/1.1|Host: h|Content-Length: 40||GET /evil HTTP/1.1|Host: evil|X: abc|", Verdict()),
         (requests(1), sent_start("GET / HTTP/1.1"), no_surplus())),
    Case("unread-body-early-answer", "a body the upstream did not wait for is not the next request", "CVE-2025-4366",
         Level.MUST, ("POST / HTTP/1.1|Host: h|Content-Length: 28||", Maybe(), "GET /evil HTTP/1.1|Host: h||", Quiet(0.1)),
         (only_requests("POST / HTTP/1.1"),),
         ((Early(), "HTTP/1.1 413 Content Too Large|Content-Length: 0||"),)),
]  # fmt: skip

CASES += [
    Case("pipelined-half", "a body and half of the next request in one segment", "RFC 9112 §9.3.2", Level.MUST,
         (POST + "GET /2 HT", Response(), "TP/1.1|Host: h||", Response(), Quiet()),
         (statuses(200, 200), sent_body(b"abc"), sent_start("GET /2 HTTP/1.1", at=1), no_surplus())),
    Case("pipelined-chunks-split", "segments that end within the line ends of chunks", "RFC 9112 §7.1", Level.MUST,
         (CHUNKED + "3|abc\r", Pause(0.02), "\n0\r", Pause(0.02), "\n\r", Pause(0.02), "\n" + NEXT, Response(),
          Response()),
         (statuses(200, 200), sent_body(b"abc"), requests(2))),
    Case("pipelined-bytewise", "three requests byte by byte, the middle one with chunks, an extension and a trailer",
         "RFC 9112 §9.3.2", Level.MUST,
         (Slowly(GET + CHUNKED + "2;e|ab|1|c|0|X-T: 1||" + NEXT), Response(), Response(), Response(), Quiet()),
         (statuses(200, 200, 200), sent_body(b"abc", at=1), no_surplus()), promise=(sent_trailers("x-t", at=1),)),
    Case("pipelined-unmet-expectation", "behind an expectation that is refused, nothing is read as a request",
         "RFC 9112 §9.3.2", Level.GOOD,
         ("POST / HTTP/1.1|Host: h|Expect: x|Content-Length: 3||abc" + SMUGGLED, Verdict()),
         (either(every(status(417), not_smuggled()), sent_body(b"abc")),), promise=(status(417),)),
    Case("pipelined-expect", "an expectation whose body came at once, and a request behind it", "RFC 9110 §10.1.1", Level.MUST,
         (EXPECT + "abc" + NEXT, Response(), Response(), Quiet()),
         (statuses(200, 200), sent_body(b"abc"), requests(2), no_surplus()), (INVITING, OK)),
    case("close-on-second", "the second of three pipelined requests says close: the third is not read",
         "RFC 9112 §9.6", Level.MUST,
         (GET + get("Connection: close", "/2") + SMUGGLED, Response(), Response(), Closed()),
         (statuses(200, 200), requests(2), says_close(at=1), closed(), no_surplus())),
    case("pipelined-502", "a 502 in a pipeline leaves the others in order", "RFC 9112 §9.3.2", Level.MUST,
         (GET + NEXT + GET, Response(), Response(), Response()),
         (statuses(200, 502, 200), got_body(b"1"), got_body(b"3", at=2)),
         ok("X: 1", "1"), (ok("X: 1", "2").replace("200", "2OO"), Close()), ok("X: 1", "3")),
    case("pipelined-cut", "behind an answer that was cut, none is given", "RFC 9112 §8", Level.MUST,
         (GET + NEXT, Verdict()), (cut(), closed(), lambda r: None if len(r.responses) < 2 else "two answers"),
         ("HTTP/1.1 200 OK|Content-Length: 9||abc", Close()), OK),
    case("pipelined-bad-second", "a good request before a faulty one is answered, the faulty one refused", "RFC 9112 §9.3.2", Level.MUST,
         (GET + "GET / HTTP/1.1|Host: h|X : 1||" + SMUGGLED, Response(), Response(), Closed()),
         (statuses(200, 400), requests(1), not_smuggled(), closed())),
    case("pipelined-1.0-1.1", "HTTP/1.0 with keep-alive and HTTP/1.1 on one connection", "RFC 9110 §2.5", Level.GOOD,
         ("GET / HTTP/1.0|Host: h|Connection: keep-alive||" + GET + "GET / HTTP/1.0||", Response(), Response(),
          Response(), Closed()), (statuses(200, 200, 200), got_framing("chunked", at=1), got_framing("close", at=2), closed()),
         OK, "HTTP/1.1 200 OK|Transfer-Encoding: chunked||2|ok|0||"),
    case("pipelined-head-get", "HEAD, 204, 304 and GET pipelined", "RFC 9112 §6.3", Level.MUST,
         ("HEAD / HTTP/1.1|Host: h||" + GET * 3, Response("HEAD"), Response(), Response(), Response(), Quiet()),
         (statuses(200, 204, 304, 200), got_body(b"ok", at=3), no_surplus()),
         "HTTP/1.1 200 OK|Content-Length: 8||", "HTTP/1.1 204 N||", "HTTP/1.1 304 N|Content-Length: 8||", OK),
]  # fmt: skip
