"""More shapes of requests that parsers read in two ways, and of chunked bodies (RFC 9112 §6, §7, §11.2)."""

from tests.conformance.cases.shared import CHUNKED, GET, NEXT, POST, SMUGGLED, case, get, ok
from tests.conformance.checks.at_client import closed, got_body, got_lacks, no_surplus, status, statuses
from tests.conformance.checks.at_upstream import sent_body, sent_lacks, sent_nowhere, sent_start, sent_trailers
from tests.conformance.checks.verdicts import answered_once, never_whole, not_smuggled, refused
from tests.conformance.steps import (
    OK,
    Closed,
    Level,
    Pause,
    Response,
    Slowly,
    Verdict,
    w,
)

_SHAPES: list[tuple[str, str | bytes]] = [
    ("cl-cl-space", "Content-Length: 0|Content-Length : 5"),
    ("cl-form-feed", "Content-Length: 5\x0c"),
    ("cl-nbsp", "Content-Length: \xa05"),
    ("cl-semicolon", "Content-Length: 5;x"),
    ("cl-negative-zero", "Content-Length: -0"),
    ("cl-newline-name", b"Content-Length\r\n: 5"),
    ("cl-cl-te", "Content-Length: 5|Content-Length: 5|Transfer-Encoding: chunked"),
    ("te-cl-first-lf", b"Foo: x\nContent-Length: 5"),
    ("te-form-feed", "Transfer-Encoding: \x0cchunked"),
    ("te-trailing-vt", "Transfer-Encoding: chunked\x0b"),
    ("te-prefix", "X: y|Transfer-Encoding: chunk"),
    ("te-deflate", "Transfer-Encoding: chunked, deflate, chunked"),
    ("te-tab-colon", "Transfer-Encoding\t: chunked"),
    ("te-name-lf", b"Transfer-Encoding\n: chunked"),
    ("te-name-space", " Transfer-Encoding: chunked"),
]  # fmt: skip

CASES = [
    *(
        case(f"smuggle-{name}", "a shape that parsers read in two ways is refused, and nothing behind it is read",
             "RFC 9112 §6.3, §11.2",
             Level.GOOD if name == "te-cl-first-lf" else Level.MUST,  # a bare LF may be read as a line's end (RFC 9112 §2.2)
             (w("POST / HTTP/1.1|Host: h|") + w(shape) + b"\r\n\r\n0\r\n\r\n" + w(SMUGGLED), Verdict()),
             (refused(), not_smuggled(), closed()), promise=(answered_once(),))
        for name, shape in _SHAPES
    ),
    case("smuggle-second", "a shape in the second of two pipelined requests", "RFC 9112 §11.2", Level.MUST,
         (GET + POST.replace("3||", "3|Transfer-Encoding: chunked||") + SMUGGLED, Response(), Response(), Closed()),
         (statuses(200, 400), not_smuggled(), closed())),
    case("smuggle-chunk-tail", "a chunk whose data holds a whole request", "RFC 9112 §11.2", Level.MUST,
         (CHUNKED + f"{len(w(SMUGGLED)):x}|{SMUGGLED}|0||" + NEXT, Response(), Response()),
         (statuses(200, 200), sent_body(w(SMUGGLED)), not_smuggled())),
    case("smuggle-last-chunk", "a last chunk with two CRLF and a request: one is tolerated, none is smuggled", "RFC 9112 §2.2", Level.GOOD,
         (CHUNKED + "3|abc|0|||" + NEXT, Response(), Verdict()), (status(200), sent_body(b"abc"), no_surplus())),
    case("chunk-trailer-colon", "a last chunk that a request stands in as trailers", "RFC 9112 §7.1.2", Level.MUST,
         (CHUNKED + "0|" + SMUGGLED, Verdict()), (never_whole(), not_smuggled())),
    case("body-pieces", "a chunked body, split at every odd place", "RFC 9112 §7.1", Level.MUST,
         (CHUNKED.removesuffix("|"), Pause(0.01), "\r", Pause(0.01), "\n0", Pause(0.01), "3\r", Pause(0.01), "\nab", Pause(0.01),
          "c\r", Pause(0.01), "\n0;", Pause(0.01), "x\r", Pause(0.01), "\nX-T", Pause(0.01), ": 1\r\n\r", Pause(0.01),
          "\n" + NEXT, Response(), Response()),
         (statuses(200, 200), sent_body(b"abc"), sent_lacks("X-T"))),
    case("body-split-length", "a body and the next head, byte by byte", "RFC 9112 §6.2", Level.MUST,
         (Slowly(POST + NEXT), Response(), Response()), (statuses(200, 200), sent_body(b"abc"), sent_start("GET /2 HTTP/1.1", at=1))),
    case("trailers-obs-text", "trailers with obs-text, empty and padded values", "RFC 9110 §5.5", Level.GOOD,
         CHUNKED + "1|a|0|X-A: \xe4|X-B:|X-C: \t1 \t||", (status(200), sent_trailers("x-a", "x-b", "x-c"))),
    case("trailers-fixed-response", "a Trailer that no chunks follow is not announced", "RFC 9110 §6.6.2", Level.GOOD,
         get("TE: trailers|Connection: TE"), (status(200), got_lacks("Trailer")), ok("Trailer: X-T")),
    case("trailers-head", "nor in answer to HEAD, where trailers cannot come", "RFC 9110 §6.6.2", Level.GOOD,
         ("HEAD / HTTP/1.1|Host: h|TE: trailers|Connection: TE||", Response("HEAD"), NEXT, Response()),
         (statuses(200, 200), got_body(b"ok", at=1)), "HTTP/1.1 200 OK|Trailer: X-T|Transfer-Encoding: chunked||", OK),
    case("te-1.0", "an HTTP/1.0 client's TE promises the upstream nothing", "RFC 9110 §10.1.4", Level.GOOD,
         "GET / HTTP/1.0|Host: h|TE: trailers|Connection: TE||", (status(200), sent_lacks("TE"))),
    case("te-chunked", "`TE: chunked` goes no further", "RFC 9112 §7.4", Level.MUST, get("TE: chunked, trailers;q=0|Connection: TE"),
         (status(200), sent_nowhere("chunked"))),
]  # fmt: skip
