"""Answers that come before the upload has ended, and large uploads (RFC 9112 §9.3, §9.5, §9.6)."""

from tests.conformance.cases.shared import CHUNKED, EXPECT, NEXT, SMUGGLED, case
from tests.conformance.checks.at_client import closed, cut, got_body, no_surplus, says_close, status, statuses
from tests.conformance.checks.at_upstream import fresh, only_requests, requests, sent_body, sent_start
from tests.conformance.checks.check import either, every
from tests.conformance.checks.verdicts import not_smuggled
from tests.conformance.steps import (
    OK,
    Await,
    Case,
    Close,
    Closed,
    Early,
    HalfClose,
    Level,
    Maybe,
    NewConnection,
    Pause,
    ReadBody,
    Reset,
    Response,
    Signal,
    Verdict,
    w,
)

_EARLY = "RFC 9112 §9.5"
_NO = "HTTP/1.1 413 Content Too Large|Content-Length: 2||no"
_GET = "GET /next HTTP/1.1|Host: h||"
_UPLOAD = "POST / HTTP/1.1|Host: h|Content-Length: 9||abc"
_CHUNKED = "POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked||3|abc|"
_MEGABYTE = b"y" * 1_000_000

CASES = [
    Case("early-answer", "an answer that comes before the body has ended reaches the client at once", _EARLY,
         Level.GOOD, (_UPLOAD, Response()), (status(413), got_body(b"no")), ((Early(), _NO),)),
    Case("early-answer-chunked", "also where the body is chunked", _EARLY, Level.GOOD, (_CHUNKED, Response()),
         (status(413), got_body(b"no")), ((Early(), _NO),)),
    Case("early-answer-close", "also where the upstream closes behind it", _EARLY, Level.GOOD, (_UPLOAD, Response()),
         (status(413), got_body(b"no")), ((Early(), _NO.replace("|Content", "|Connection: close|Content"), Close()),)),
    Case("early-answer-upload-continues", "a client that goes on uploading still gets it", _EARLY, Level.GOOD,
         (w("POST / HTTP/1.1|Host: h|Content-Length: 1000000||") + _MEGABYTE, Response()),
         (status(413), got_body(b"no")), ((Early(), _NO, Pause(0.05), Close()),)),
    Case("early-answer-reset", "also where the upstream breaks the connection behind it", _EARLY, Level.GOOD,
         (w("POST / HTTP/1.1|Host: h|Content-Length: 1000000||") + _MEGABYTE, Response()),
         (status(413), got_body(b"no")), ((Early(), _NO, Pause(0.1), Reset()),)),
    Case("early-answer-not-pooled", "the upstream connection with half a body on it is not used again", "RFC 9112 §9.3",
         Level.MUST, (_UPLOAD, Maybe(), NewConnection(), _GET, Response()),
         (either(every(status(200, at=-1), got_body(b"ok", at=-1), fresh()), sent_start("GET /next HTTP/1.1")),),
         ((Early(), _NO), OK)),
    Case("early-answer-rest-arrives", "the rest of the body is not read as the next request", "CVE-2025-4366",
         Level.MUST, (_UPLOAD, Maybe(), "defghi" + _GET, Verdict(), Verdict()),
         (only_requests("POST / HTTP/1.1", "GET /next HTTP/1.1"), either(closed(), statuses(413, 200))),
         ((Early(), _NO), OK)),
    Case("early-beginning", "a response that begins before the upload ends, and ends after it", _EARLY, Level.GOOD,
         (_UPLOAD, Await("begun"), "defghi", Response()), (status(200), got_body(b"okok"), sent_body(b"abcdefghi")),
         ((Early(), "HTTP/1.1 200 OK|Content-Length: 4||ok", Signal("begun"), ReadBody(), "ok"),)),
    Case("upload-length", "a megabyte with a length goes up whole", "RFC 9112 §6.2", Level.MUST,
         (w("PUT / HTTP/1.1|Host: h|Content-Length: 1000000||") + _MEGABYTE, Response()),
         (status(200), sent_body(_MEGABYTE))),
    Case("upload-chunked", "so does one in chunks", "RFC 9112 §7.1", Level.MUST,
         (w("PUT / HTTP/1.1|Host: h|Transfer-Encoding: chunked||") + (b"2710\r\n" + b"y" * 10_000 + b"\r\n") * 100
          + b"0\r\n\r\n", Response()), (status(200), sent_body(_MEGABYTE))),
    Case("upload-half-close", "a client that ends its side behind its body is answered", "RFC 9112 §9.6", Level.GOOD,
         ("POST / HTTP/1.1|Host: h|Content-Length: 3||abc", HalfClose(), Response()),
         (status(200), got_body(b"ok"), sent_body(b"abc"), requests(1))),
    Case("upload-in-pieces", "a body that comes in pieces goes up whole", "RFC 9112 §6.2", Level.MUST,
         ("POST / HTTP/1.1|Host: h|Content-Length: 9||", Pause(0.02), "abc", Pause(0.02), "def", Pause(0.02), "ghi",
          Response()), (status(200), sent_body(b"abcdefghi"))),
]  # fmt: skip

CASES += [
    Case("early-then-next", "after an early answer, the connection ends, or the body does before the next request",
         "RFC 9112 §9.6", Level.GOOD, (CHUNKED + "3|abc|", Maybe(), "0||" + SMUGGLED, Verdict()),
         (either(not_smuggled(), sent_body(b"abc")),), ((Early(), OK),),
         promise=(status(200), says_close(), closed(), not_smuggled(), no_surplus())),
    Case("early-reset", "an upstream that breaks within the body: one 502", "RFC 9110 §15.6.3", Level.GOOD,
         ("POST / HTTP/1.1|Host: h|Content-Length: 6||abc", Await("reset"), Pause(), "def", Verdict()),
         (status(502, 503), requests(1)), ((Early(), Signal("reset"), Reset()),),
         # Where the rest came before we met the break, the request was read whole, and the connection may go on.
         promise=(statuses(502), no_surplus())),
    case("early-bad-chunk", "a bad chunk after an answer has begun: the answer does not end cleanly", "RFC 9112 §8", Level.GOOD,
         (CHUNKED + "3|abc|", Await("begun"), "zz|" + SMUGGLED, Verdict()), (cut(), not_smuggled()),
         (Early(), "HTTP/1.1 200 OK|Content-Length: 6||abc", Signal("begun"), ReadBody(), "def")),
    case("early-1.0-client", "an early answer to HTTP/1.0 closes", "RFC 9112 §9.6", Level.GOOD,
         ("POST / HTTP/1.0|Host: h|Connection: keep-alive|Content-Length: 9||abc", Response(), Closed()),
         (status(413), closed(), says_close()), (Early(), "HTTP/1.1 413 C|Content-Length: 0||")),
    case("early-head", "an early answer to a HEAD with a body", "RFC 9112 §9.6", Level.MUST,
         ("HEAD / HTTP/1.1|Host: h|Content-Length: 9||abc", Response("HEAD"), "def", Closed()),
         (status(200), closed(), requests(1)), (Early(), "HTTP/1.1 200 OK|Content-Length: 7||")),
    case("early-204", "an early 204, and the rest of the body", "RFC 9112 §9.6", Level.MUST,
         ("POST / HTTP/1.1|Host: h|Content-Length: 40||abc", Response(), SMUGGLED, Closed()),
         (status(204), not_smuggled(), closed(), no_surplus()), (Early(), "HTTP/1.1 204 N||")),
    case("early-expect-next", "after an early answer the next client gets its own connection upstream", "RFC 9112 §9.3", Level.MUST,
         (EXPECT, Response(), NewConnection(), NEXT, Response()), (statuses(403, 200), fresh()),
         (Early(), "HTTP/1.1 403 F|Content-Length: 0||"), OK),
]  # fmt: skip
