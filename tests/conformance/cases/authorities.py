"""Odd targets and hosts (RFC 9112 §3.2, RFC 9110 §4.2, §7.4)."""

from tests.conformance.cases.shared import NEXT, SMUGGLED, case
from tests.conformance.checks.at_client import status, statuses
from tests.conformance.checks.at_upstream import sent, sent_like, sent_start
from tests.conformance.checks.check import either
from tests.conformance.checks.verdicts import not_smuggled, refused
from tests.conformance.steps import (
    Level,
    Response,
    Verdict,
)

_BAD_TARGETS = [
    ("https", "https over a connection that is not secured", "https://h/x", "RFC 9110 §7.4", Level.MUST),
    ("authority", "authority-form with GET", "h:80", "RFC 9112 §3.2.3", Level.MUST),
    ("ftp", "a scheme that is not HTTP's", "ftp://h/x", "RFC 9112 §3.2", Level.GOOD),
    ("ws", "the scheme ws", "ws://h/x", "RFC 6455 §4.1", Level.GOOD),
    ("one-slash", "one slash after the scheme", "http:/h/x", "RFC 9110 §4.2.1", Level.GOOD),
    ("no-scheme-host", "no authority at all", "http:x", "RFC 9110 §4.2.1", Level.MUST),
    ("query-only", "a query alone", "?a=b", "RFC 9112 §3", Level.SHOULD),
    ("empty-host-port", "a port without a host", "http://:80/x", "RFC 9110 §4.2.1", Level.MUST),
    ("port-letters", "letters for a port", "http://h:8x/", "RFC 9112 §3", Level.SHOULD),
    ("two-ports", "two ports", "http://h:80:90/", "RFC 9112 §3", Level.SHOULD),
    ("backslash-host", "a backslash that ends the host for some", "http://h\\@evil/x", "RFC 3986 §3.2", Level.SHOULD),
    ("fragment", "absolute-form with a fragment", "http://h/x#y", "RFC 9112 §3.2.2", Level.SHOULD),
    ("bracket-open", "a bracket that does not close", "http://[::1/x", "RFC 3986 §3.2.2", Level.SHOULD),
    ("utf8", "bytes over 127", "/\xc3\xa4", "RFC 9112 §3", Level.SHOULD),
    ("delete", "DEL", "/a\x7fb", "RFC 9112 §3", Level.SHOULD),
]  # fmt: skip

CASES = [
    *(
        case(f"target-not-{name}", f"refused: {title}", reference, level, (f"GET {target} HTTP/1.1|Host: h||", Verdict()),
             (refused(),), promise=(refused(400, 421),))
        for name, title, target, reference, level in _BAD_TARGETS
    ),
    case("absolute-without-host", "absolute-form does not excuse from Host", "RFC 9112 §3.2", Level.MUST,
         ("GET http://h/ HTTP/1.1|X: 1||", Verdict()), (refused(400),)),
    case("absolute-two-hosts", "nor from one Host", "RFC 9112 §3.2", Level.MUST,
         ("GET http://h/ HTTP/1.1|Host: h|Host: h||", Verdict()), (refused(400),)),
    case("absolute-bad-host", "nor from a valid one", "RFC 9112 §3.2", Level.MUST,
         ("GET http://h/ HTTP/1.1|Host: h/evil||", Verdict()), (refused(400),)),
    case("absolute-1.0", "absolute-form of HTTP/1.0 without Host: Host is made from it", "RFC 9112 §3.2.2", Level.MUST,
         "GET http://a.example:81/x HTTP/1.0|X: 1||",
         (status(200), sent_start("GET /x HTTP/1.1"), sent("Host", "a.example:81"))),
    case("absolute-port-differs", "its port wins over Host's", "RFC 9112 §3.2.2", Level.MUST,
         "GET http://a.example:81/x HTTP/1.1|Host: a.example:82||", (status(200), sent("Host", "a.example:81"))),
    case("absolute-xfh", "X-Forwarded-Host names whom the target named", "RFC 7239 §5.3", Level.GOOD,
         "GET http://a.example/x HTTP/1.1|Host: evil||", (status(200), sent("X-Forwarded-Host", "a.example"))),
    case("absolute-query-only", "a query without a path gets its slash", "RFC 9112 §3.2.1", Level.MUST,
         "GET http://h?a=http://x/ HTTP/1.1|Host: h||", (status(200), sent_start("GET /?a=http://x/ HTTP/1.1"))),
    case("absolute-empty-query", "an empty query stays", "RFC 9110 §7.7", Level.MUST, "GET http://h/a? HTTP/1.1|Host: h||",
         (status(200), sent_start("GET /a? HTTP/1.1"))),
    case("absolute-pipelined", "absolute-form and origin-form may follow each other", "RFC 9112 §3.2.2", Level.MUST,
         ("GET http://a.example/1 HTTP/1.1|Host: a.example||" + NEXT, Response(), Response()),
         (statuses(200, 200), sent("Host", "a.example"), sent("Host", "h", at=1))),
    case("options-absolute-slash", "`OPTIONS http://h/` asks for /, not *", "RFC 9112 §3.2.4", Level.MUST,
         "OPTIONS http://h/ HTTP/1.1|Host: h||", (status(200), sent_start("OPTIONS / HTTP/1.1"))),
    case("options-asterisk-query", "`*?x` is no target", "RFC 9112 §3.2.4", Level.SHOULD,
         ("OPTIONS *?x HTTP/1.1|Host: h||", Verdict()), (refused(400),)),
    case("host-empty-port", "an empty port is a port", "RFC 9110 §4.2.1", Level.MUST, "GET / HTTP/1.1|Host: h:||",
         (status(200), sent_like("Host", "h:?"))),
    case("host-port-zeros", "a port with leading zeros is digits: taken, or refused", "RFC 3986 §3.2.3", Level.GOOD,
         ("GET / HTTP/1.1|Host: h:000080||", Verdict()), (either(refused(400), status(200)),)),
    case("host-underscore", "an underscore in a reg-name", "RFC 3986 §3.2.2", Level.MUST, "GET / HTTP/1.1|Host: my_host.x||",
         (status(200), sent("Host", "my_host.x"))),
    *(
        case(f"host-{name}", f"Host `{host}` is refused", "RFC 9112 §3.2", Level.MUST,
             (f"GET / HTTP/1.1|Host: {host}||" + SMUGGLED, Verdict()), (refused(400), not_smuggled()))
        for name, host in (("query", "h?x"), ("fragment", "h#x"), ("backslash", "h\\x"), ("scheme", "http://h"),
                          ("quoted", '"h"'), ("two-colons", "h:80:90"), ("bare-ipv6", "::1"), ("tab", "h\tx"),
                          ("percent-port", "ga%:80"), ("percent-end", "h%"), ("percent-half", "h%4"),
                          ("bracket-rest", "[::1]x"), ("non-ascii", "h\xe4"), ("brace", "{h}"))
    ),
]  # fmt: skip
