"""Hosts, odd and bad ones (RFC 9110 §4.2, RFC 9112 §3.2)."""

from tests.conformance.cases.shared import SMUGGLED, case
from tests.conformance.checks.at_client import status
from tests.conformance.checks.at_upstream import sent, sent_like
from tests.conformance.checks.check import either
from tests.conformance.checks.verdicts import not_smuggled, refused
from tests.conformance.steps import Case, Level, Verdict

CASES = [
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
    Case("host-ipvfuture", "an address of a version to come is a host", "RFC 3986 §3.2.2", Level.GOOD,
         "GET / HTTP/1.1|Host: [v1.a:b]||", (status(200),)),
    Case("host-bad-escape", "a host with an escape that is none", "RFC 9112 §3.2", Level.MUST,
         ("GET / HTTP/1.1|Host: a%zz||", Verdict()), (refused(400),)),
    Case("host-bad-ipv6", "brackets round no address", "RFC 9112 §3.2", Level.MUST,
         ("GET / HTTP/1.1|Host: [:::::]||", Verdict()), (refused(400),)),
]  # fmt: skip
