"""Chunked bodies of requests (RFC 9112 §7.1)."""

from tests.conformance.cases.shared import CHUNKED, NEXT, SMUGGLED, case
from tests.conformance.checks.at_client import closed, no_surplus, status, statuses
from tests.conformance.checks.at_upstream import requests, sent_body, sent_lacks, sent_without_extensions
from tests.conformance.checks.check import either, every
from tests.conformance.checks.verdicts import answered_once, never_whole, not_smuggled, refused
from tests.conformance.steps import Case, Check, Level, Pause, Response, Slowly, Step, Verdict, w

_POST = "POST / HTTP/1.1|Host: h|"
_CHUNK = "RFC 9112 §7.1"


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


_CHUNKED = _POST + "Transfer-Encoding: chunked||"


_abc = sent_body(b"abc")  # a faulty trailer may also just be dropped, or mended


def _chunks(name: str, title: str, raw: str | bytes, level: Level = Level.SHOULD, *also: Check) -> Case:
    """A chunked body with a fault, and a request behind it. The head may have gone up before the fault was seen."""
    script: tuple[Step, ...] = (w(_CHUNKED) + w(raw) + w(SMUGGLED), Verdict())
    verdict = either(every(not_smuggled(), never_whole(), closed()), *also)
    return Case(f"chunk-{name}", title, _CHUNK, level, script, (verdict,),
                promise=(answered_once(), status(400)))  # fmt: skip


CASES = [
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

CASES += [
    Case("chunk-zeros-capitals", "leading zeros, capitals, and zeros for the last chunk", "RFC 9112 §7.1", Level.MUST,
         CHUNKED + '00000A|0123456789|0b;x="y;z"|0123456789a|000||',
         (status(200), sent_body(b"01234567890123456789a"), sent_without_extensions())),
    Case("chunk-20-digits", "twenty digits of size, nearly all zeros", "RFC 9112 §7.1", Level.GOOD,
         (CHUNKED + "0" * 17 + "003|abc|0||", Verdict()), (either(every(status(200), sent_body(b"abc")), refused(400)),)),
    Case("chunk-blank-extension", "white space before and within an extension is read past", "RFC 9112 §7.1.1", Level.MUST,
         CHUNKED + '3 ; a = "b"|abc|0||', (status(200), sent_body(b"abc"))),
    case("list-coding", "empty members round chunked: read, or refused", "RFC 9110 §5.6.1.2", Level.GOOD,
         ("POST / HTTP/1.1|Host: h|Transfer-Encoding: ,chunked||3|abc|0||" + SMUGGLED, Verdict()),
         (either(refused(400, 501), sent_body(b"abc")),)),
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
]  # fmt: skip
