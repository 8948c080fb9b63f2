"""Where a request ends: what two parsers could read in two ways is refused, or goes on in one way (RFC 9112 §6, §7)."""

from tests.conformance.checks.at_client import closed, status
from tests.conformance.checks.at_upstream import requests, sent_body, sent_without_extensions
from tests.conformance.checks.check import either, every
from tests.conformance.checks.verdicts import answered_once, never_whole, not_smuggled, refused
from tests.conformance.steps import Case, Check, Level, Response, Slowly, Step, Verdict, w

_NEXT = "GET /smuggled HTTP/1.1|Host: evil||"
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
    then: str = _NEXT,
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
         (f"GET / HTTP/1.1|Host: h|Content-Length: {len(w(_NEXT))}||{_NEXT}", Response(), "GET /next HTTP/1.1|Host: h||",
          Response()),
         (requests(2), sent_body(w(_NEXT)), not_smuggled())),
    Case("framing-post-without-length", "a POST without a length has no body", _LENGTH, Level.MUST,
         (_POST + "|", Response(), "GET /next HTTP/1.1|Host: h||", Response()), (requests(2), sent_body(b""))),
]  # fmt: skip

# -- chunks --------------------------------------------------------------------------------------------------------

_CHUNKED = _POST + "Transfer-Encoding: chunked||"


_abc = sent_body(b"abc")  # a faulty trailer may also just be dropped, or mended


def _chunks(name: str, title: str, raw: str | bytes, level: Level = Level.SHOULD, *also: Check) -> Case:
    """A chunked body with a fault, and a request behind it. The head may have gone up before the fault was seen."""
    script: tuple[Step, ...] = (w(_CHUNKED) + w(raw) + w(_NEXT), Verdict())
    verdict = either(every(not_smuggled(), never_whole(), closed()), *also)
    return Case(f"chunk-{name}", title, _CHUNK, level, script, (verdict,),
                promise=(answered_once(), status(400)))  # fmt: skip


CASES += [
    _chunks("size-plus", "`+3` is no chunk size", "+3|abc|0||"),
    _chunks("size-minus", "`-3` is no chunk size", "-3|abc|0||"),
    _chunks("size-0x", "`0x3` is no chunk size", "0x3|abc|0||"),
    _chunks("size-letters", "`G` is no chunk size", "G|abc|0||"),
    _chunks("size-empty", "an empty line is no chunk size", "|abc|0||"),
    _chunks("size-leading-space", "` 3` is no chunk size", " 3|abc|0||"),
    _chunks("size-inner-space", "`3 3` is no chunk size", "3 3|abc|0||"),
    _chunks("size-overflow", "a chunk size over 64 bits is refused", "10000000000000003|abc|0||", Level.MUST),
    _chunks("size-underscore", "`0_3` is no chunk size", "0_3|abc|0||"),
    _chunks("size-lf", "a bare LF after the size", b"3\nabc\r\n0\r\n\r\n", Level.GOOD),
    _chunks("size-cr", "a bare CR after the size", b"3\rabc\r\n0\r\n\r\n"),
    _chunks("size-nul", "a NUL after the size", b"3\x00\r\nabc\r\n0\r\n\r\n"),
    _chunks("data-too-long", "data longer than its size", "2|abc|0||"),
    _chunks("data-end-any", "two other bytes where CRLF is due (CVE-2025-43859)", "3|abcXX0||"),
    _chunks("data-end-lf", "a bare LF behind the data", b"3\r\nabc\n0\r\n\r\n", Level.GOOD),
    _chunks("data-end-cr", "a bare CR behind the data", b"3\r\nabc\r0\r\n\r\n"),
    _chunks("extension-lf", "a bare LF that ends an extension", b"3;a\nabc\r\n0\r\n\r\n", Level.GOOD),
    _chunks("extension-cr", "a bare CR in an extension", b"3;a\rb\r\nabc\r\n0\r\n\r\n"),
    _chunks("trailer-no-colon", "a trailer line without a colon", "3|abc|0|nonsense||", Level.GOOD, _abc),
    _chunks("trailer-space-before-colon", "a trailer with a space before its colon", "3|abc|0|X-T : 1||", Level.GOOD, _abc),
    _chunks("trailer-folded", "a folded trailer", "3|abc|0|X-T: 1| 2||", Level.GOOD, _abc),
    _chunks("trailer-lf", "a trailer that ends with a bare LF", b"3\r\nabc\r\n0\r\nX-T: 1\n\r\n", Level.GOOD, _abc),
] + [
    Case(f"chunk-{name}", title, _CHUNK, Level.MUST, (step, Response()), (status(200), requests(1), sent_body(data)))
    for name, title, step, data in (
        ("plain", "two chunks", _CHUNKED + "3|abc|2|de|0||", b"abcde"),
        ("hex", "sizes in hexadecimal, either case", _CHUNKED + "a|0123456789|A|0123456789|0||", b"0123456789" * 2),
        ("zeros", "a size with leading zeros, a last chunk of several", _CHUNKED + "0003|abc|000||", b"abc"),
        ("zeros-16", "a size of 16 digits, most of them zeros", _CHUNKED + "0000000000000003|abc|0000000000000000||", b"abc"),
        ("zeros-40", "and of 40", _CHUNKED + "0" * 39 + "3|abc|" + "0" * 40 + "||", b"abc"),
        ("empty", "no data at all", _CHUNKED + "0||", b""),
        ("extensions", "extensions are ignored", _CHUNKED + '3;a=b;c="d"|abc|0;e||', b"abc"),
        ("bytewise", "one byte per segment", Slowly(_CHUNKED + "3;x|abc|2|de|0|X-T: 1||"), b"abcde"),
        ("binary", "data that looks like framing", w(_CHUNKED) + b"7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n\r\n"),
    )
] + [
    Case("chunk-extension-dropped", "chunk extensions belong to their hop", "RFC 9112 §7.1.1", Level.GOOD,
         _CHUNKED + '3;a="/evil"|abc|0;b||', (status(200), sent_body(b"abc"), sent_without_extensions())),
]  # fmt: skip
