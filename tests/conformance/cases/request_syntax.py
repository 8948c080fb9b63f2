"""Heads of requests: what is no request is refused, and what is one goes on untouched (RFC 9112 §2, §3, §5)."""

from tests.conformance.cases.shared import BEGUN, NEXT, SMUGGLED, case
from tests.conformance.checks.at_client import status, statuses
from tests.conformance.checks.at_upstream import (
    requests,
    sent,
    sent_body,
    sent_lacks,
    sent_like,
    sent_nowhere,
    sent_start,
)
from tests.conformance.checks.check import either, every
from tests.conformance.checks.verdicts import answered_once, not_smuggled, refused
from tests.conformance.steps import Case, Check, HalfClose, Level, Response, Slowly, Verdict, w


def _refused(
    name: str,
    title: str,
    raw: str | bytes,
    reference: str,
    *also: Check,
    level: Level = Level.MUST,
    status_: int = 400,
    then: str = "",
) -> Case:
    """A head that must not go on. `also` is allowed instead. `then` stands behind a head whose end is not sure, and must
    not be read."""
    verdict = either(refused(), *also)
    return Case(f"syntax-{name}", title, reference, level, (w(raw) + w(then), Verdict()),
                (verdict, not_smuggled()) if then else (verdict,), promise=(refused(status_), answered_once()))  # fmt: skip


_LINE, _FIELD, _START = "RFC 9112 §2.2", "RFC 9112 §5.1", "RFC 9112 §3"
_HOST = "RFC 9112 §3.2"
_clean = every(requests(1), status(200))

CASES = [
    # -- lines
    _refused("bare-lf", "lines that end with a bare LF are refused, or go on with CRLF",
             b"GET / HTTP/1.1\nHost: h\n\n", _LINE, _clean),
    _refused("bare-lf-one", "so is one field line", b"GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\nX-B: 2\r\n\r\n", _LINE,
             every(_clean, sent("X-A", "1"), sent("X-B", "2"))),
    _refused("bare-cr-value", "a bare CR in a value is refused, or becomes SP",
             b"GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\rX-B: 2\r\n\r\n", _LINE,
             every(_clean, sent_like("X-A", "1 +X-B: 2"))),
    _refused("bare-cr-start", "a bare CR in the request line", b"GET / HTTP/1.1\rX: y\r\nHost: h\r\n\r\n", _LINE, level=Level.SHOULD, then=SMUGGLED),
    _refused("nul-value", "a NUL in a value is refused, or becomes SP", b"GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\x002\r\n\r\n",
             "RFC 9110 §5.5", every(_clean, sent("X-A", "1 2"))),
    _refused("nul-name", "a NUL in a name", b"GET / HTTP/1.1\r\nHost: h\r\nX-\x00A: 1\r\n\r\n", _FIELD, level=Level.SHOULD),
    _refused("control-value", "another control byte in a value", b"GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\x012\r\n\r\n",
             "RFC 9110 §5.5", every(_clean, sent("X-A", "1 2")), level=Level.GOOD),
    _refused("delete-value", "DEL in a value", b"GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\x7f2\r\n\r\n", "RFC 9110 §5.5",
             every(_clean, sent("X-A", "1 2")), level=Level.GOOD),
    _refused("fold", "a folded line is refused, or joined with SP", BEGUN + "X-A: 1| 2||", "RFC 9112 §5.2",
             every(_clean, sent_like("X-A", "1 +2"))),
    _refused("fold-tab", "so is one with a tab", BEGUN + "X-A: 1|\t2||", "RFC 9112 §5.2",
             every(_clean, sent_like("X-A", "1[ \\t]+2"))),
    _refused("fold-connection", "a folded Connection is refused, or counts whole", BEGUN + "Connection: close,| X-A|X-A: 1||",
             "RFC 9112 §5.2", every(_clean, sent_lacks("X-A"))),
    _refused("space-first-line", "a space before the first field line", "GET / HTTP/1.1| Host: h|Host: h||",
             _LINE, _clean),
    Case("syntax-empty-line-before", "an empty line before the request line is ignored", _LINE, Level.SHOULD,
         "|GET / HTTP/1.1|Host: h||", (_clean,)),
    Case("syntax-empty-line-between", "also between two requests", _LINE, Level.SHOULD,
         ("POST / HTTP/1.1|Host: h|Content-Length: 3||abc|GET /2 HTTP/1.1|Host: h||", Response(), Response()),
         (statuses(200, 200), sent_start("GET /2 HTTP/1.1", at=1))),
    # -- field lines
    _refused("space-before-colon", "a space between name and colon", BEGUN + "X-A : 1||", _FIELD, then=SMUGGLED),
    _refused("tab-before-colon", "a tab between name and colon", BEGUN + "X-A\t: 1||", _FIELD, then=SMUGGLED),
    _refused("no-colon", "a line without a colon", BEGUN + "nonsense||", _FIELD, every(_clean, sent_nowhere("nonsense")), level=Level.SHOULD),
    _refused("no-name", "a line without a name", BEGUN + ": gone||", _FIELD, every(_clean, sent_nowhere("gone")), level=Level.SHOULD),
    _refused("name-no-token", "a name that is no token", BEGUN + "X(A): 1||", _FIELD, level=Level.SHOULD),
    _refused("name-non-ascii", "a name that is not ASCII", BEGUN + "X-\xe4: 1||", _FIELD, level=Level.SHOULD),
    _refused("name-inner-space", "a name with a space in it", BEGUN + "X A: 1||", _FIELD, level=Level.SHOULD, then=SMUGGLED),
    Case("syntax-value-spaces", "white space round a value is no part of it", _FIELD, Level.MUST,
         BEGUN + "X-A: \t 1 2 \t |X-B:|X-C:3||", (_clean, sent("X-A", "1 2"), sent("X-B", ""), sent("X-C", "3"))),
    Case("syntax-value-latin1", "bytes over 127 in a value go on untouched, or are refused", "RFC 9110 §5.5", Level.GOOD,
         (BEGUN + "X-A: \xe4\xff||", Verdict()), (either(every(_clean, sent("X-A", "\xe4\xff")), refused()),)),
    Case("syntax-connection-fold-hidden", "a field cut by a bad byte does not lose what follows it", "CVE-2022-37436",
         Level.GOOD, ("GET / HTTP/1.1|Host: h||", Verdict()), (either(status(502, 500), every(status(200))),),
         (b"HTTP/1.1 200 OK\r\nX-A: 1\x00\r\nX-Frame-Options: deny\r\nContent-Length: 2\r\n\r\nok",),
         promise=(status(502),)),
    # -- the request line
    _refused("start-two-spaces", "two spaces in the request line", "GET  / HTTP/1.1|Host: h||", _START, _clean,
             level=Level.SHOULD),
    _refused("start-tab", "a tab in the request line", "GET\t/ HTTP/1.1|Host: h||", _START, _clean, level=Level.SHOULD),
    _refused("start-leading-space", "a space before the method", " GET / HTTP/1.1|Host: h||", _START, _clean,
             level=Level.SHOULD),
    _refused("start-no-version", "no version", "GET /|Host: h||", _START, level=Level.SHOULD, then=SMUGGLED),
    _refused("start-lower-version", "`http/1.1`", "GET / http/1.1|Host: h||", _START, level=Level.SHOULD),
    _refused("start-long-version", "`HTTP/1.10`", "GET / HTTP/1.10|Host: h||", _START, level=Level.SHOULD),
    _refused("start-padded-version", "`HTTP/01.1`", "GET / HTTP/01.1|Host: h||", _START, level=Level.SHOULD),
    _refused("start-space-in-target", "a space in the target", "GET /a b HTTP/1.1|Host: h||", _START,
             level=Level.SHOULD),
    _refused("start-control-in-target", "a control byte in the target", b"GET /a\x01b HTTP/1.1\r\nHost: h\r\n\r\n",
             _START, level=Level.SHOULD),
    _refused("start-method-no-token", "a method that is no token", "GE(T / HTTP/1.1|Host: h||", _START,
             level=Level.SHOULD),
    _refused("start-only", "a method alone", "GET|Host: h||", _START, level=Level.SHOULD, then=SMUGGLED),
    _refused("start-2.0", "HTTP/2.0 in a request line", "GET / HTTP/2.0|Host: h||", "RFC 9110 §15.6.6",
             level=Level.GOOD, status_=505),
    _refused("start-3.0", "HTTP/3.0 in a request line", "GET / HTTP/3.0|Host: h||", "RFC 9110 §15.6.6",
             level=Level.GOOD, status_=505),
    _refused("start-tls", "a TLS hello is refused, not waited upon", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 4,
             _START, level=Level.SHOULD),
    Case("syntax-start-1.2", "HTTP/1.2 is read as 1.1, or refused", "RFC 9110 §2.5", Level.GOOD,
         ("GET / HTTP/1.2|Host: h||", Verdict()), (either(_clean, refused(505)),), promise=(_clean,)),
    Case("syntax-start-lower-method", "methods are case-sensitive: `get` is not made GET", "RFC 9110 §9.1", Level.MUST,
         ("get / HTTP/1.1|Host: h||", Verdict()), (either(sent_start("get / HTTP/1.1"), refused()),)),
    Case("syntax-start-unknown-method", "an unknown method goes on", "RFC 9110 §9.1", Level.GOOD,
         "BREW /pot HTTP/1.1|Host: h||", (status(200), sent_start("BREW /pot HTTP/1.1"))),
    Case("syntax-version-upstream", "an HTTP/1.0 request goes on as HTTP/1.1, the proxy's own version", "RFC 9110 §6.2",
         Level.GOOD, "GET / HTTP/1.0|Host: h||", (status(200), sent_start("GET / HTTP/1.1"), sent("Host", "h"))),
    # -- Host
    _refused("host-none", "no Host in HTTP/1.1", "GET / HTTP/1.1|X-A: 1||", _HOST),
    _refused("host-two", "two Host lines", "GET / HTTP/1.1|Host: h|Host: evil||", _HOST),
    _refused("host-two-equal", "two equal Host lines", "GET / HTTP/1.1|Host: h|Host: h||", _HOST),
    _refused("host-list", "a list in Host", "GET / HTTP/1.1|Host: h, evil||", _HOST),
    _refused("host-space", "a space in Host", "GET / HTTP/1.1|Host: h evil||", _HOST),
    _refused("host-path", "a path in Host", "GET / HTTP/1.1|Host: h/evil||", _HOST),
    _refused("host-userinfo", "userinfo in Host", "GET / HTTP/1.1|Host: user@h||", _HOST),
    _refused("host-port-letters", "letters for a port", "GET / HTTP/1.1|Host: h:evil||", _HOST),
    _refused("host-two-1.0", "two Host lines in HTTP/1.0", "GET / HTTP/1.0|Host: h|Host: evil||", _HOST,
             level=Level.GOOD),
    _refused("host-space-before-colon", "`Host : evil` beside a proper one", "GET / HTTP/1.1|Host: h|Host : evil||",
             _HOST),
    Case("syntax-host-none-1.0", "HTTP/1.0 may do without Host", "RFC 9112 §3.2", Level.GOOD,
         "GET / HTTP/1.0||", (status(200), requests(1))),
    Case("syntax-host-port", "Host with a port goes on", "RFC 9110 §7.2", Level.GOOD,
         "GET / HTTP/1.1|Host: h:8080||", (status(200), sent("Host", "h:8080"))),
    Case("syntax-host-ipv6", "Host with an IPv6 address goes on", "RFC 9110 §7.2", Level.GOOD,
         "GET / HTTP/1.1|Host: [::1]:80||", (status(200), sent("Host", "[::1]:80"))),
    # -- how the bytes are split does not matter
    Case("syntax-bytewise", "a request, one byte per segment", _START, Level.MUST,
         (Slowly("POST /a HTTP/1.1|Host: h|X-Foo: 1|Content-Length: 3||abc"), Response()),
         (status(200), sent("X-Foo", "1"), sent_body(b"abc"))),
    Case("syntax-bytewise-fault", "a fault, one byte per segment", _FIELD, Level.MUST,
         (Slowly(BEGUN + "X-A : 1||" + SMUGGLED), Verdict()), (refused(), not_smuggled()),
         promise=(refused(400), answered_once())),
    Case("syntax-error-once", "a request behind a faulty one is neither read nor answered", "CVE-2022-22720", Level.MUST,
         (BEGUN + "Content-Length: x||" + SMUGGLED * 3, Verdict()), (refused(), not_smuggled()),
         promise=(refused(400), answered_once())),
]  # fmt: skip

CASES += [
    Case("version-1.2", "a request of HTTP/1.2 is served as 1.1", "RFC 9110 §2.5", Level.SHOULD,
         ("GET / HTTP/1.2|Host: h||", Response(), NEXT, Response()), (statuses(200, 200), sent_start("GET / HTTP/1.1"))),
    Case("cut-request-head", "half a head, and the end of what the client says", "RFC 9112 §8", Level.MUST,
         ("GET / HTTP/1.1|Host:", HalfClose(), Verdict()), (refused(),)),
    case("h2-preface", "the preface of HTTP/2 is refused once", "RFC 9113 §3.4", Level.GOOD,
         ("PRI * HTTP/2.0||SM||", Verdict()), (refused(), answered_once()), promise=(refused(505, 400),)),
]  # fmt: skip
