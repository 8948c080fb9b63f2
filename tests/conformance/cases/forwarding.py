"""What this hop states of itself and of the client: Via, Date, X-Forwarded-*, and loops."""

from collections.abc import Callable

from tests.conformance.cases.shared import GET, HOP, case, get
from tests.conformance.checks.at_client import (
    closed,
    got,
    got_like,
    got_whole,
    interim_not_added,
    nowhere,
    status,
    statuses,
)
from tests.conformance.checks.at_upstream import (
    requests,
    sent,
    sent_first,
    sent_like,
    sent_no_empty,
    sent_not_added,
    sent_nowhere,
    sent_start,
)
from tests.conformance.checks.check import either, every
from tests.conformance.checks.verdicts import refused
from tests.conformance.play import Record
from tests.conformance.steps import Case, Close, Learn, Level, Response, Verdict

_VIA, _DATE = "RFC 9110 §7.6.3", "RFC 9110 §6.6.1"
_IMF = r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"


def _get(fields: str) -> str:
    return f"GET / HTTP/1.1|Host: h|{fields}||"


def _marked(name: str, times: int, before: str = "", after: str = "") -> Callable[[Record], str]:
    """A request that has been through this very proxy so often, by the mark that it has left in the first request."""

    def make(record: Record) -> str:
        mark = ", ".join(record.requests[0].values(name)) if record.requests else ""
        return f"GET / HTTP/1.1|Host: h|{name}: {before}{', '.join([mark or 'none'] * times)}{after}||"

    return make


_FORGED = [
    # name, the lines a client made up
    ("x-forwarded-for", "X-Forwarded-For: 6.6.6.6"),
    ("x-forwarded-for-twice", "X-Forwarded-For: 6.6.6.6|X-Forwarded-For: 6.6.6.7"),
    ("x-forwarded-host", "X-Forwarded-Host: 6.6.6.6"),
    ("x-forwarded-proto", "X-Forwarded-Proto: 6.6.6.6"),
    ("forwarded", "Forwarded: for=6.6.6.6"),
    ("x-real-ip", "X-Real-IP: 6.6.6.6"),
    ("x-forwarded-port", "X-Forwarded-Port: 6.6.6.6"),
    ("x-forwarded-prefix", "X-Forwarded-Prefix: /6.6.6.6"),
    ("any-suffix", "X-Forwarded-Fo9r: 6.6.6.6|X-Forwarded-Client-Cert: By=6.6.6.6"),
    ("dotted-for", "X.Forwarded.For: 6.6.6.6"),
    ("dotted-mixed", "X.Forwarded-For: 6.6.6.6|X_Forwarded.Any: 6.6.6.6"),
    ("dotted-real-ip", "X.Real.IP: 6.6.6.6"),
    ("underscore-for", "X_Forwarded_For: 6.6.6.6"),
    ("underscore-mixed", "X-Forwarded_For: 6.6.6.6"),
    ("underscore-host", "X_Forwarded_Host: 6.6.6.6"),
    ("underscore-real-ip", "X_Real_IP: 6.6.6.6"),
    ("nominated", "Connection: X-Forwarded-For|X-Forwarded-For: 6.6.6.6"),
]

CASES = [
    Case("via-request", "a request carries this hop's Via", _VIA, Level.GOOD, GET, (sent_like("Via", r"1\.1 \S+.*"),)),
    Case("via-request-1.0", "Via names the version in which the request came", _VIA, Level.GOOD,
         "GET / HTTP/1.0|Host: h||", (sent_like("Via", r"1\.0 \S+.*"),)),
    Case("via-request-chain", "an older Via stays, before this hop's", _VIA, Level.GOOD, _get("Via: 1.0 older"),
         (status(200), sent_first("Via", "1.0 older"))),
    Case("via-response", "a response carries this hop's Via", _VIA, Level.GOOD, GET, (got_like("Via", r"1\.1 \S+.*"),)),
    Case("via-response-1.0", "Via names the version in which the response came", _VIA, Level.GOOD, GET,
         (got_like("Via", r"1\.0 \S+.*"),), ("HTTP/1.0 200 OK|Content-Length: 2||ok",)),
    Case("loop", "a request that has been through this proxy ten times is refused", _VIA, Level.GOOD,
         (GET, Response(), Learn(_marked("Via", 10)), Response()), (status(508, at=1), requests(1)), setting="looping"),
    Case("loop-among-others", "also where other hops lie between, and Via is spread over lines", _VIA, Level.GOOD,
         (GET, Response(), Learn(_marked("Via", 10, "1.0 first, ", " (a comment)|Via: 1.1 last")), Response()),
         (status(508, at=1), requests(1)), setting="looping"),
    Case("loop-twice-is-none", "a service may call another one through the proxy that it is behind", _VIA, Level.GOOD,
         (GET, Response(), Learn(_marked("Via", 2)), Response()), (statuses(200, 200), requests(2)), setting="looping"),
    Case("via-left-out", "without Via towards upstreams, responses keep it", _VIA, Level.GOOD, GET,
         (sent_not_added("Via"), sent_like("CDN-Loop", r"onehop\S*"), got_like("Via", r"1\.1 \S+")), setting="without-via"),
    Case("via-left-out-loop", "without Via, a loop is still seen: by CDN-Loop", "RFC 8586 §2", Level.GOOD,
         (GET, Response(), Learn(_marked("CDN-Loop", 10, "other;a=b, ")), Response()), (status(508, at=1), requests(1)),
         setting="without-via"),
    Case("via-left-out-twice", "and passing twice is none", "RFC 8586 §2", Level.GOOD,
         (GET, Response(), Learn(_marked("CDN-Loop", 2)), Response()), (statuses(200, 200), requests(2)),
         setting="without-via"),
    Case("no-loop", "a Via of others is no loop", _VIA, Level.GOOD, _get("Via: 1.1 other, 1.0 fred (onehop)"),
         (status(200), requests(1))),
    # -- Date
    Case("date-added", "a response without Date gets one", _DATE, Level.MUST, GET, (got_like("Date", _IMF),)),
    Case("date-kept", "the origin's Date stays", _DATE, Level.GOOD, GET,
         (got("Date", "Thu, 01 Jan 2015 00:00:00 GMT"),),
         ("HTTP/1.1 200 OK|Date: Thu, 01 Jan 2015 00:00:00 GMT|Content-Length: 2||ok",)),
    Case("date-304", "so does a 304", _DATE, Level.MUST, GET, (status(304), got_like("Date", _IMF)),
         ("HTTP/1.1 304 Not Modified||",)),
    Case("date-not-in-1xx", "a 103 is not dated", _DATE, Level.GOOD, GET, (status(200), interim_not_added("Date")),
         ("HTTP/1.1 103 Early Hints|Link: </a>||HTTP/1.1 200 OK|Content-Length: 2||ok",)),
    # -- who the client is
    Case("forwarded-for", "the client's address is stated", "RFC 7239 §5.2", Level.GOOD, GET,
         (sent_like("X-Forwarded-For", r"127\.0\.0\.1"),)),
    Case("forwarded-host-proto", "so are host and scheme", "RFC 7239 §5.3", Level.GOOD, GET,
         (sent_like("X-Forwarded-Host", "h"), sent_like("X-Forwarded-Proto", "http"))),
    *(
        Case(f"forged-{name}", f"`{lines.replace('|', ', ')}` from an untrusted client does not reach the upstream",
             "CVE-2022-31813" if name == "nominated" else "RFC 7239 §8.1", Level.GOOD, _get(lines),
             (status(200), sent_nowhere("6.6.6.6")))
        for name, lines in _FORGED
    ),
    Case("forwarded-for-one-line", "one X-Forwarded-For, whatever the client said", "CVE-2022-31813", Level.GOOD,
         (_get("Connection: X-Forwarded-For|X-Forwarded-For: 6.6.6.6|x-forwarded-for: 6.6.6.7"), Verdict()),
         (either(sent("X-Forwarded-For", "127.0.0.1"), refused()),), promise=(status(200),)),
    Case("forwarded-all-nominated", "all that this hop states, nominated at once, is stated all the same",
         "CVE-2024-45410", Level.GOOD,
         (_get("Connection: Host, Via, X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, X-Request-Id"), Verdict()),
         (either(every(sent("Host", "h"), sent("X-Forwarded-For", "127.0.0.1"), sent("X-Forwarded-Host", "h"),
                       sent("X-Forwarded-Proto", "http")), refused()),), promise=(status(200), sent_like("X-Request-Id", ".+"), sent_like("Via", ".+"))),
    *(
        Case(f"variable-{name.replace('_', '-').replace('.', '-dot-').lower()}", f"`{name}`, a service's own variable, is not the client's to set",
             "CVE-2016-5385" if name == "Proxy" else "RFC 3875 §4.1.18", Level.GOOD, _get(f"{name}: /6.6.6.6"),
             (status(200), sent_nowhere("6.6.6.6")))
        for name in ("SCRIPT_NAME", "PATH_INFO", "Remote_User", "Content_Length", "Proxy", "Transfer_Encoding", "Script.Name",
                     "Content.Length")
    ),
    Case("variable-hyphens", "with hyphens it is an ordinary field", "RFC 9110 §5.1", Level.GOOD,
         _get("Script-Name: /a"), (sent("Script-Name", "/a"),)),
    Case("underscore-passes", "other names with `_` pass", "RFC 9110 §5.1", Level.GOOD, _get("X_Any_Thing: 1"),
         (sent("X_Any_Thing", "1"),), setting="ruled"),
    Case("underscore-dropped", "names with `_` are dropped where configured", "RFC 3875 §4.1.18", Level.GOOD,
         "GET /ruled HTTP/1.1|Host: h|X_Any: 6.6.6.6|X_Auth_User: 6.6.6.6|X-Any: 2||",
         (sent_nowhere("6.6.6.6"), sent("X-Any", "2"), sent("X-Auth-User", "a")), setting="without-underscores"),
    # -- trust
    Case("trusted-chain", "a trusted peer's chain is extended", "RFC 7239 §7.4", Level.GOOD,
         _get("X-Forwarded-For: 1.2.3.4"), (sent("X-Forwarded-For", "1.2.3.4, 127.0.0.1"),), setting="trusting"),
    Case("trusted-chain-nominated", "also where it nominates it", "CVE-2022-31813", Level.GOOD,
         _get("Connection: X-Forwarded-For|X-Forwarded-For: 1.2.3.4"),
         (sent("X-Forwarded-For", "1.2.3.4, 127.0.0.1"),), setting="trusting"),
    Case("trusted-chain-lines", "several lines become one", "RFC 9110 §5.2", Level.GOOD,
         _get("X-Forwarded-For: 1.2.3.4|X-Forwarded-For: 5.6.7.8"),
         (sent("X-Forwarded-For", "1.2.3.4, 5.6.7.8, 127.0.0.1"),), setting="trusting"),
    Case("trusted-host-proto", "a trusted peer's host, scheme and request id are believed", "RFC 7239 §5.4", Level.GOOD,
         _get("X-Forwarded-Host: a.example|X-Forwarded-Proto: https|X-Request-Id: abc-1"),
         (sent("X-Forwarded-Host", "a.example"), sent("X-Forwarded-Proto", "https"), sent("X-Request-Id", "abc-1")),
         setting="trusting"),
    *(
        Case(f"trusted-proto-{name}", f"a trusted peer's `X-Forwarded-Proto: {said}` is no scheme, and not believed",
             "RFC 3986 §3.1", Level.GOOD, _get(f"X-Forwarded-Proto: {said}"),
             (status(200), sent("X-Forwarded-Proto", "http")), setting="trusting")
        for name, said in [("url", "https://6.6.6.6/"), ("words", "https 6.6.6.6"), ("quoted", '"https"')]
    ),
    Case("trusted-proto-list", "of several schemes, the first is the client's", "RFC 7239 §5.4", Level.GOOD,
         _get("X-Forwarded-Proto: https, http"), (sent("X-Forwarded-Proto", "https"),), setting="trusting"),
    Case("trusted-id-columns", "a trusted peer's request id with spaces and quotes is not believed", "CWE-117", Level.GOOD,
         _get('X-Request-Id: a" 200 6.6.6.6'), (status(200), sent_like("X-Request-Id", "[0-9a-f-]+")), setting="trusting"),
    Case("trusted-variable", "a trusted peer may set a service's variables", "RFC 3875 §4.1.13", Level.GOOD,
         _get("SCRIPT_NAME: /app"), (sent("SCRIPT_NAME", "/app"),), setting="trusting"),
    Case("trusted-underscores", "its `_` spellings are not: nobody's proxy writes them", "RFC 7239 §8.1", Level.GOOD,
         _get("X_Forwarded_For: 6.6.6.6"), (status(200), sent_nowhere("6.6.6.6")), setting="trusting"),
    *(
        Case(f"trusted-{name}", f"a trusted peer's `{line}` is its client's, and for a CGI service another field", source,
             Level.GOOD, _get(line), (status(200), sent_nowhere("6.6.6.6")), setting="trusting")
        for name, line, source in [
            ("httpoxy", "Proxy: 6.6.6.6", "CVE-2016-5385"),
            ("proxy-authorization", "Proxy_Authorization: 6.6.6.6", "RFC 9110 §7.6.1"),
            ("transfer-encoding", "Transfer_Encoding: 6.6.6.6", "RFC 9112 §6.1"),
            ("user", "X_Forwarded_User: 6.6.6.6", "CVE-2025-64484"),
        ]
    ),
    # -- the route's rules
    Case("rule-not-nominated-away", "a field that the route sets cannot be nominated away", "CVE-2021-32813", Level.GOOD,
         "GET /ruled HTTP/1.1|Host: h|Connection: X-Auth-User|X-Auth-User: root||", (sent("X-Auth-User", "a"),),
         setting="ruled"),
    Case("rule-wins", "a field that the route sets replaces the client's", "CVE-2021-32813", Level.GOOD,
         "GET /ruled HTTP/1.1|Host: h|X-Auth-User: root|x-auth-user: root||", (sent("X-Auth-User", "a"),),
         setting="ruled"),
    *(
        Case(f"route-{name}", f"`{target}` meets the route for `/ruled`, and goes on byte for byte", "RFC 3986 §6.2.2",
             Level.GOOD, f"GET {target} HTTP/1.1|Host: h|X-Auth-User: root||",
             (status(200), sent("X-Auth-User", "a"), sent_start(f"GET {target} HTTP/1.1")), setting="ruled")
        for name, target in [
            ("encoded", "/%72uled/x"), ("slashes", "//ruled//x"), ("dots", "/x/../ruled"), ("dot", "/./ruled/."),
            ("encoded-dots", "/x/%2e%2E/ruled/"), ("encoded-slash", "/ruled/..%2fx"), ("nul", "/ruled/%00"),
            ("malformed", "/ruled/%zz"),
        ]
    ),
    *(
        Case(f"route-not-{name}", f"`{target}` does not, as a service reads it", "RFC 3986 §6.2.2", Level.GOOD,
             f"GET {target} HTTP/1.1|Host: h|X-Auth-User: root||",
             (status(200), sent("X-Auth-User", "root"), sent_start(f"GET {target} HTTP/1.1")), setting="ruled")
        for name, target in [
            ("dots", "/ruled/../x"), ("encoded-dots", "/ruled/%2e%2e/x"), ("folder", "/ruled/.."),
            ("encoded-twice", "/%2572uled"), ("nul", "/ruled%00"),
        ]
    ),
    # -- errors that are ours
    Case("error-explains", "an error of our own says so, and its connection closes where it must", "RFC 9209 §2",
         Level.GOOD, "GET / HTTP/1.1|Host: h|Host: h||",
         (either(refused(400), closed()), every(got_like("Proxy-Status", r".+; error=.+"), got_like("Date", _IMF)),
          got_whole()),
         setting="ruled"),
    Case("request-id-fresh", "an untrusted client's request id is replaced", "RFC 9110 §17.1", Level.GOOD,
         _get("X-Request-Id: forged"), (sent_like("X-Request-Id", "(?!forged).+"), sent_nowhere("forged")),
         setting="ruled"),
]  # fmt: skip

CASES += [
    Case("via-comment", "a comment in Via that lists this proxy's name is no hop", "RFC 9110 §7.6.3", Level.GOOD,
         "GET / HTTP/1.1|Host: h|Via: 1.1 a (x, 1.1 onehop-test , y)||", (status(200),), setting="looping"),
    Case("forged-spellings", "who the client is, in four more spellings", "RFC 7239 §8.1", Level.GOOD,
         "GET / HTTP/1.1|Host: h|FORWARDED: for=6.6.6.6|x-real_ip: 6.6.6.6|X_Real-IP: 6.6.6.6"
         "|X-FORWARDED_host: 6.6.6.6||",
         (status(200), sent_nowhere("6.6.6.6"))),
    Case("forwarded-for-empty", "a trusted peer's empty X-Forwarded-For makes no empty member", "RFC 9110 §5.6.1.1",
         Level.MUST, "GET / HTTP/1.1|Host: h|X-Forwarded-For: ||",
         (status(200), sent("X-Forwarded-For", "127.0.0.1")), setting="trusting"),
    Case("forwarded-host-unknown", "no X-Forwarded-Host for a host that a 1.0 client did not name", "RFC 7239 §5.3",
         Level.GOOD, "GET / HTTP/1.0||", (status(200), sent_no_empty("X-Forwarded-Host"))),
    Case("rule-underscores", "`X_Auth_User` is no way round what the route puts as X-Auth-User", "RFC 7239 §8.1", Level.GOOD,
         "GET /ruled HTTP/1.1|Host: h|X_Auth_User: root||", (status(200), sent_nowhere("root")), setting="ruled"),
    case("proxy-status-502", "a 502 of this hop's own says who and why", "RFC 9209 §2", Level.GOOD, GET,
         (status(502), got_like("Proxy-Status", r'[A-Za-z*][\w.:/*!#$%&\'+^`|~-]*; ?error=[a-z_]+.*'), got_like("Date", ".+ GMT"),
          got_like("Cache-Control", "no-store")), (Close(),), setting="trusting"),
    case("proxy-status-protocol", "a faulty response is http_protocol_error", "RFC 9209 §2.3.26", Level.GOOD, GET,
         (status(502), got_like("Proxy-Status", ".*error=http_protocol_error.*")), ("nonsense||", Close()), setting="trusting"),
    case("proxy-status-terminated", "no response at all is connection_terminated, or http_response_incomplete", "RFC 9209 §2.3.9", Level.GOOD, GET,
         (status(502), got_like("Proxy-Status", ".*error=(connection_terminated|http_response_incomplete).*")), (Close(),), setting="trusting"),
    case("error-forged-id", "a refused request's own values stand nowhere in the answer", "RFC 9110 §17.13", Level.GOOD,
         (get("X-Request-Id: <script>|Host: <evil>"), Verdict()), (refused(400), nowhere("<script>"), nowhere("<evil>"))),
    case("trusted-empty-host", "trusted: an empty X-Forwarded-Host says nothing", "RFC 7239 §4", Level.GOOD,
         get("X-Forwarded-Host:|X-Forwarded-Proto:"), (status(200), sent("X-Forwarded-Host", "h"), sent("X-Forwarded-Proto", "http")), setting="trusting"),
    case("trusted-empty-members", "trusted: empty members of a chain do not go on", "RFC 9110 §5.6.1.1", Level.GOOD,
         get("X-Forwarded-For: , 1.2.3.4,,"), (status(200), sent("X-Forwarded-For", "1.2.3.4, 127.0.0.1")), setting="trusting"),
    case("trusted-forwarded-nominated", "trusted: a nominated Forwarded ends here", HOP, Level.MUST,
         get("Connection: Forwarded|Forwarded: for=6.6.6.6"), (status(200), sent_nowhere("6.6.6.6")), setting="trusting"),
    case("via-first-line", "an upstream of HTTP/1.0 and a client of HTTP/1.0 each have their version in Via", "RFC 9110 §7.6.3", Level.MUST,
         "GET / HTTP/1.0|Host: h||", (sent_like("Via", r"1\.0 .+"), got_like("Via", r"1\.0 .+"), status(200)),
         "HTTP/1.0 200 OK|Content-Length: 2||ok"),
]  # fmt: skip
