"""Where a request ends: what two parsers could read in two ways is refused, or goes on in one way (RFC 9112 §6, §7)."""

from tests.conformance.cases.shared import CHUNKED, GET, NEXT, POST, SMUGGLED, case, get
from tests.conformance.checks.at_client import closed, status, statuses
from tests.conformance.checks.at_upstream import requests, sent_body, sent_start
from tests.conformance.checks.check import either, every
from tests.conformance.checks.verdicts import answered_once, never_whole, not_smuggled, refused
from tests.conformance.steps import Case, Check, Closed, HalfClose, Level, Response, Slowly, Verdict, w

_POST = "POST / HTTP/1.1|Host: h|"
_LENGTH, _CODING, _CHUNK = "RFC 9112 §6.3", "RFC 9112 §6.1", "RFC 9112 §7.1"


def _refused(
    name: str,
    title: str,
    raw: str | bytes,
    reference: str,
    *also: Check,
    level: Level = Level.MUST,
    status_: int | None = 400,
    then: str = SMUGGLED,
) -> Case:
    """A request that must not go on, with another behind it that must not be read. `also` is allowed instead."""
    verdict = either(every(refused(), closed()), *also)
    promise = (refused(status_), answered_once()) if status_ else ()
    return Case(f"framing-{name}", title, reference, level, (w(raw) + w(then), Verdict()), (verdict,), promise=promise)


# A body of 5 bytes as a length counts it, of 0 as chunks do; and the other way round.
_CL_TE = "Content-Length: 5|Transfer-Encoding: chunked||0||"
_by_coding = every(requests(1), sent_body(b""), closed())

CASES = [
    _refused("cl-te", "both Content-Length and Transfer-Encoding", _POST + _CL_TE, _CODING, _by_coding),
    _refused("te-cl", "both, the other way round", _POST + "Transfer-Encoding: chunked|Content-Length: 5||0||",
             _CODING, _by_coding),
    _refused("cl-te-short", "both, where the length would cut the chunks short",
             _POST + "Content-Length: 4|Transfer-Encoding: chunked||2|ab|0||", _CODING,
             every(requests(1), sent_body(b"ab"), closed())),
    _refused("cl-te-case", "both, in odd spelling", _POST + "cONTENT-lENGTH: 5|tRANSFER-eNCODING: Chunked||0||",
             _CODING, _by_coding),
    _refused("cl-te-nominated", "nominating one of them does not decide between them",
             "POST / HTTP/1.1|Host: h|Connection: Transfer-Encoding|" + _CL_TE, _CODING, _by_coding),
    _refused("cl-te-nominated-length", "nor does nominating the other",
             "POST / HTTP/1.1|Host: h|Connection: Content-Length|" + _CL_TE, _CODING, _by_coding),
    _refused("te-1.0", "Transfer-Encoding in HTTP/1.0", "POST / HTTP/1.0|Host: h|Transfer-Encoding: chunked||0||",
             "CVE-2026-2835", every(requests(1), sent_body(b""), closed())),
    _refused("te-1.0-keep-alive", "Transfer-Encoding in HTTP/1.0 with keep-alive",
             "POST / HTTP/1.0|Host: h|Connection: keep-alive|Transfer-Encoding: chunked||0||", "CVE-2026-2835",
             every(requests(1), sent_body(b""), closed())),
    _refused("te-cl-1.0", "both in HTTP/1.0", "POST / HTTP/1.0|Host: h|" + _CL_TE, "CVE-2026-2835",
             every(requests(1), closed())),
]  # fmt: skip

_CODINGS: list[tuple[str, str | bytes, int]] = [
    # name, the Transfer-Encoding lines, what onehop answers
    ("identity", "Transfer-Encoding: identity", 501),
    ("unknown", "Transfer-Encoding: xchunked", 501),
    ("gzip", "Transfer-Encoding: gzip", 501),
    ("gzip-chunked", "Transfer-Encoding: gzip, chunked", 501),
    ("chunked-identity", "Transfer-Encoding: chunked, identity", 400),
    ("chunked-twice", "Transfer-Encoding: chunked, chunked", 400),
    ("two-lines", "Transfer-Encoding: chunked|Transfer-Encoding: identity", 400),
    ("two-lines-identity-first", "Transfer-Encoding: identity|Transfer-Encoding: chunked", 501),
    ("two-lines-chunked", "Transfer-Encoding: chunked|Transfer-Encoding: chunked", 400),
    ("parameter", "Transfer-Encoding: chunked;q=1", 501),
    ("quoted", 'Transfer-Encoding: "chunked"', 501),
    ("empty", "Transfer-Encoding: ", 400),
    ("space-before-colon", "Transfer-Encoding : chunked", 400),
    ("vertical-tab", "Transfer-Encoding: \x0bchunked", 400),
    ("nul", "Transfer-Encoding: chunked\x00", 400),
    ("folded", "Transfer-Encoding:| chunked", 400),
    ("hidden-by-lf", b"X: y\nTransfer-Encoding: chunked", 400),
    ("hidden-by-cr", b"X: y\rTransfer-Encoding: chunked", 400),
    ("non-ascii", "Transfer-Encoding: chunked\xa0", 501),
]
# What only hides behind obs-fold, a bare LF or a bare CR may be read in the one way that the RFC grants.
_READABLE = {"folded": sent_body(b""), "hidden-by-lf": sent_body(b""),
             "hidden-by-cr": every(requests(1), sent_body(b""))}  # fmt: skip

CASES += [
    _refused(f"te-{name}", f"`{w(lines).decode('latin-1').encode('unicode_escape').decode()}`",
             w(_POST) + w(lines) + b"\r\n\r\n0\r\n\r\n", _CODING,
             *([_READABLE[name]] if name in _READABLE else []),
             status_=answer, level=Level.GOOD if name == "identity" else Level.MUST)
    for name, lines, answer in _CODINGS
] + [
    Case(f"framing-te-{name}", f"`{line!r}` is plain `chunked`", _CODING,
         Level.GOOD if name in ("tab", "trailing-space") else Level.MUST,
         f"{_POST}{line}||3|abc|0||", (requests(1), status(200), sent_body(b"abc")))
    for name, line in (("tab", "Transfer-Encoding:\tchunked"), ("no-space", "Transfer-Encoding:chunked"),
                       ("upper", "TRANSFER-ENCODING: CHUNKED"), ("trailing-space", "Transfer-Encoding: chunked \t "))
]  # fmt: skip

_five = sent_body(b"abcde")  # and what follows is another request, as it says
_LENGTHS: list[tuple[str, str, tuple[Check, ...]]] = [
    # name, the Content-Length lines before a body of 5 bytes, what is allowed besides refusing
    ("list-equal", "Content-Length: 5, 5", (_five,)),
    ("two-lines-equal", "Content-Length: 5|Content-Length: 5", (_five,)),
    ("two-lines", "Content-Length: 5|Content-Length: 6", ()),
    ("two-lines-zero", "Content-Length: 0|Content-Length: 5", ()),
    ("list", "Content-Length: 5, 6", ()),
    ("plus", "Content-Length: +5", ()),
    ("minus", "Content-Length: -5", ()),
    ("hex", "Content-Length: 0x5", ()),
    ("empty", "Content-Length: ", ()),
    ("letters", "Content-Length: 5a", ()),
    ("inner-space", "Content-Length: 5 5", ()),
    ("decimal-point", "Content-Length: 5.0", ()),
    ("exponent", "Content-Length: 5e0", ()),
    ("quoted", 'Content-Length: "5"', ()),
    ("underscore", "Content-Length: 0_5", ()),
    ("overflow", "Content-Length: 18446744073709551621", ()),
    ("trailing-comma", "Content-Length: 5,", (_five,)),
    ("space-before-colon", "Content-Length : 5", ()),
    ("non-ascii", "Content-Length: \xb2", ()),
]

CASES += [
    _refused(f"length-{name}", f"`{line.replace('|', ', ')}`", f"{_POST}{line}||abcde", _LENGTH, *allowed)
    for name, line, allowed in _LENGTHS
] + [
    Case("framing-length-leading-zeros", "`Content-Length: 0003` is 3, or refused", _LENGTH, Level.MUST,
         (_POST + "Content-Length: 0003||abc", Verdict()), (either(every(status(200), sent_body(b"abc")), refused()),)),
    Case("framing-length-body-cut", "a client that ends within its body: nothing whole goes up", "RFC 9112 §8",
         Level.MUST, (_POST + "Content-Length: 9||abc", Verdict()), (never_whole(),)),
    Case("framing-chunked-body-cut", "nor where the last chunk is missing", "RFC 9112 §8", Level.MUST,
         (_POST + "Transfer-Encoding: chunked||3|abc|", Verdict()), (never_whole(),)),
    Case("framing-get-with-body", "a GET's body is a body", _LENGTH, Level.MUST,
         (f"GET / HTTP/1.1|Host: h|Content-Length: {len(w(SMUGGLED))}||{SMUGGLED}", Response(), "GET /next HTTP/1.1|Host: h||",
          Response()),
         (requests(2), sent_body(w(SMUGGLED)), not_smuggled())),
    Case("framing-post-without-length", "a POST without a length has no body", _LENGTH, Level.MUST,
         (_POST + "|", Response(), "GET /next HTTP/1.1|Host: h||", Response()), (requests(2), sent_body(b""))),
]  # fmt: skip

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

CASES += [
    case("1.0-post-no-length", "an HTTP/1.0 POST without a length has no body, and nothing behind it is read",
         "RFC 9112 §6.3", Level.MUST, ("POST / HTTP/1.0|Host: h||" + SMUGGLED, Verdict()), (not_smuggled(), closed())),
    case("half-close-upload", "a client that ends its side within a chunk gets an error, nothing goes up whole", "RFC 9112 §8", Level.MUST,
         (CHUNKED + "9|abc", HalfClose(), Verdict()), (never_whole(),)),
    case("get-chunked-body", "a chunked GET keeps its body and the next request", "RFC 9112 §6.3", Level.MUST,
         (get("Transfer-Encoding: chunked") + "3|abc|0||" + NEXT, Response(), Response()),
         (statuses(200, 200), sent_body(b"abc"))),
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
    case("body-split-length", "a body and the next head, byte by byte", "RFC 9112 §6.2", Level.MUST,
         (Slowly(POST + NEXT), Response(), Response()), (statuses(200, 200), sent_body(b"abc"), sent_start("GET /2 HTTP/1.1", at=1))),
]  # fmt: skip
