"""Request targets and the methods that mean something to a proxy (RFC 9112 §3.2, RFC 9110 §7.6.2, §9.3)."""

from tests.conformance.cases.shared import NEXT, case
from tests.conformance.checks.at_client import status, statuses
from tests.conformance.checks.at_upstream import requests, sent, sent_lacks, sent_like, sent_nowhere, sent_start
from tests.conformance.checks.check import either, every
from tests.conformance.checks.verdicts import refused
from tests.conformance.steps import Case, Level, Response, Verdict

_ABSOLUTE, _TARGET, _HOPS = "RFC 9112 §3.2.2", "RFC 9112 §3.2", "RFC 9110 §7.6.2"

_UNTOUCHED = [
    ("double-slash", "//a//b"),
    ("encoded-slash", "/a%2Fb"),
    ("encoded-lower", "/a%2fb"),
    ("dots", "/a/../b"),
    ("dot", "/./a"),
    ("encoded-dots", "/a/%2e%2e/b"),
    ("empty-query", "/a?"),
    ("query", "/a?b=c&d=%20+e;f"),
    ("query-slashes", "/a?b=/../c//d"),
    ("encoded-crlf", "/a%0d%0aX-Evil:%201"),
    ("encoded-nul", "/a%00b"),
    ("semicolon", "/a;b=c/d"),
    ("sub-delims", "/a!$&'()*+,;=:@b~-._"),
    ("double-question", "/a??b"),
    ("encoded-unreserved", "/%61bc"),
    ("encoded-hash", "/a%23b"),
    ("backslash-encoded", "/a%5Cb"),
]

CASES = [
    Case(f"target-{name}", f"`{target}` goes on byte for byte",
         "CVE-2023-25690" if name == "encoded-crlf" else _TARGET, Level.GOOD,
         (f"GET {target} HTTP/1.1|Host: h||", Verdict()),
         (status(200), requests(1), sent_start(f"GET {target} HTTP/1.1")))
    for name, target in _UNTOUCHED
] + [
    Case("target-encoded-crlf-safe", "an encoded CRLF never becomes one", "CVE-2023-25690", Level.MUST,
         ("GET /a%0d%0aX-Evil:%201%0d%0a HTTP/1.1|Host: h||", Verdict()), (either(sent_lacks("X-Evil"), refused()),)),
    Case("target-fragment", "a fragment is refused, or cut off", "CVE-2021-32779", Level.GOOD,
         ("GET /a#/../b HTTP/1.1|Host: h||", Verdict()), (either(refused(), sent_nowhere("#")),),
         promise=(refused(400),)),
    Case("target-absolute", "an absolute-form target is accepted, and its host wins over Host", _ABSOLUTE, Level.MUST,
         ("GET http://a.example/x?y HTTP/1.1|Host: evil||", Verdict()),
         (either(every(status(200), sent_like("Host", r"a\.example"), sent_nowhere("evil")), refused()),),
         promise=(sent_start("GET /x?y HTTP/1.1"),)),
    Case("target-absolute-empty-host", "an empty Host beside an absolute-form target does not count", _ABSOLUTE, Level.MUST,
         "GET http://h/x HTTP/1.1|Host:||", (status(200), sent("Host", "h"))),
    Case("target-absolute-same", "an absolute-form target that agrees with Host is accepted", _ABSOLUTE, Level.MUST,
         "GET http://h/x HTTP/1.1|Host: h||", (status(200), sent("Host", "h"))),
    Case("target-absolute-origin-form", "it goes on in origin-form", _TARGET, Level.MUST,
         "GET http://h/x HTTP/1.1|Host: h||", (status(200), sent_start("GET /x HTTP/1.1"))),
    Case("target-absolute-no-path", "without a path it asks for /", _ABSOLUTE, Level.MUST,
         "GET http://h HTTP/1.1|Host: h||", (status(200), sent_start("GET / HTTP/1.1"))),
    Case("target-absolute-userinfo", "userinfo in an absolute-form target is refused, or does not reach the upstream",
         "RFC 9110 §4.2.4", Level.GOOD, ("GET http://user:pw@h/x HTTP/1.1|Host: h||", Verdict()),
         (either(refused(), sent_nowhere("user:pw")),), promise=(refused(400),)),
    Case("target-absolute-nominated-host", "nominating Host changes nothing of that", _ABSOLUTE, Level.MUST,
         ("GET http://a.example/ HTTP/1.1|Host: evil|Connection: Host||", Verdict()),
         (either(every(status(200), sent_like("Host", r"a\.example")), refused()),)),
    Case("target-none", "a target without a slash is refused", _TARGET, Level.SHOULD,
         ("GET a HTTP/1.1|Host: h||", Verdict()), (refused(),), promise=(refused(400),)),
    Case("target-asterisk-get", "`GET *` is refused", "RFC 9112 §3.2.4", Level.GOOD,
         ("GET * HTTP/1.1|Host: h||", Verdict()), (refused(),), promise=(refused(400),)),
    Case("target-options-asterisk", "`OPTIONS *` goes on as it is, or is answered", "RFC 9112 §3.2.4", Level.GOOD,
         ("OPTIONS * HTTP/1.1|Host: h||", Verdict()),
         (either(every(status(200), sent_start("OPTIONS * HTTP/1.1")), every(status(200, 204), requests(0))),),
         promise=(sent_start("OPTIONS * HTTP/1.1"),)),
    Case("target-options-absolute", "`OPTIONS http://h` without a path asks about the server", "RFC 9112 §3.2.4",
         Level.GOOD, ("OPTIONS http://h HTTP/1.1|Host: h||", Verdict()),
         (either(sent_start("OPTIONS * HTTP/1.1"), requests(0)),), promise=(sent_start("OPTIONS * HTTP/1.1"),)),
    # -- Max-Forwards
]  # fmt: skip

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

CASES += [
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
    Case("absolute-ipv6", "absolute-form: an IPv6 address, a port, a query and no path", "RFC 9112 §3.2.2", Level.MUST,
         "GET HTTP://[::1]:8080?a=b HTTP/1.1|Host: other||", (status(200), sent_start("GET /?a=b HTTP/1.1")),
         promise=(sent("X-Forwarded-Host", "[::1]:8080"),)),
    Case("absolute-upper-case", "absolute-form: a host in capitals, and an empty port", "RFC 9112 §3.2.2", Level.MUST,
         "GET http://EXAMPLE.com:/x HTTP/1.1|Host: EXAMPLE.com:||", (status(200), sent_start("GET /x HTTP/1.1"))),
    Case("absolute-no-host", "absolute-form without a host", "RFC 9110 §4.2.1", Level.MUST,
         ("GET http:///x HTTP/1.1|Host: h||", Verdict()), (refused(400),)),
    Case("absolute-port-65536", "absolute-form with a port that is none", "RFC 9112 §3.2", Level.GOOD,
         ("GET http://h:65536/x HTTP/1.1|Host: h||", Verdict()), (refused(400),)),
    Case("absolute-bad-escape", "absolute-form with an escape that is none", "RFC 3986 §3.2.2", Level.GOOD,
         ("GET http://a%/ HTTP/1.1|Host: h||", Verdict()), (refused(400),)),
    Case("options-absolute-query", "OPTIONS with a query asks about a resource, not about the server",
         "RFC 9112 §3.2.4", Level.MUST, "OPTIONS http://h?q HTTP/1.1|Host: h||",
         (status(200), sent_start("OPTIONS /?q HTTP/1.1"))),
    case("ruled-dots", "a path that leaves a route by dots is routed by its bytes, and goes on as it came", "RFC 9110 §7.7", Level.MUST,
         "GET /ruled/../x HTTP/1.1|Host: h||", (status(200), sent_start("GET /ruled/../x HTTP/1.1")), setting="ruled"),
]  # fmt: skip
