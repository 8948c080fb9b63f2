"""Hop-by-hop fields of requests: what the client's hop said must not reach the upstream (RFC 9110 §7.6.1)."""

from tests.conformance.cases.shared import BEGUN, GET, HOP, case, get, ok
from tests.conformance.checks.at_client import got, got_lacks, nowhere, status, statuses
from tests.conformance.checks.at_upstream import (
    requests,
    sent,
    sent_body,
    sent_lacks,
    sent_like,
    sent_nowhere,
    sent_options,
)
from tests.conformance.checks.check import either, every
from tests.conformance.checks.verdicts import refused
from tests.conformance.steps import OK, Case, Check, Close, Level, Response, Verdict

_CONNECTION = "RFC 9110 §7.6.1"


def _case(
    name: str, title: str, head: str, *expect: Check, level: Level = Level.MUST, reference: str = _CONNECTION
) -> Case:
    """A GET with more fields."""
    return Case(f"request-{name}", title, reference, level, f"{BEGUN}{head}||", (requests(1), status(200), *expect))


_NOMINATION = [
    # name, Connection lines, the fields, those that must be gone
    ("alone", "Connection: X-Foo", "X-Foo: 1", ("X-Foo",)),
    ("with-close", "Connection: close, X-Foo", "X-Foo: 1", ("X-Foo",)),
    ("close-last", "Connection: X-Foo, close", "X-Foo: 1", ("X-Foo",)),
    ("with-keep-alive", "Connection: keep-alive, X-Foo", "X-Foo: 1", ("X-Foo",)),
    ("lower-case", "Connection: x-foo", "X-FOO: 1", ("X-Foo",)),
    ("upper-case", "connection: X-FOO", "x-foo: 1", ("X-Foo",)),
    ("no-space", "Connection:close,X-Foo", "X-Foo: 1", ("X-Foo",)),
    ("tabs", "Connection: \tX-Foo\t,\tX-Baz\t", "X-Foo: 1|X-Baz: 2", ("X-Foo", "X-Baz")),
    ("two-lines", "Connection: X-Foo|Connection: X-Baz", "X-Foo: 1|X-Baz: 2", ("X-Foo", "X-Baz")),
    ("empty-first-line", "Connection: |Connection: X-Foo", "X-Foo: 1", ("X-Foo",)),
    ("empty-members", "Connection: ,, X-Foo ,,", "X-Foo: 1", ("X-Foo",)),
    ("twice", "Connection: X-Foo, X-Foo", "X-Foo: 1", ("X-Foo",)),
    ("many-lines-of-it", "Connection: X-Foo", "X-Foo: 1|X-Foo: 2|x-foo: 3", ("X-Foo",)),
    ("odd-token", "Connection: X!#$%&'*+-.^_`~1", "X!#$%&'*+-.^_`~1: 1", ("X!#$%&'*+-.^_`~1",)),
    ("digit-name", "Connection: 1", "1: one", ("1",)),
    ("cookie", "Connection: close, Cookie", "Cookie: a=b", ("Cookie",)),
    ("authorization", "Connection: Authorization", "Authorization: Basic eDp5", ("Authorization",)),
    ("cache-control", "Connection: Cache-Control", "Cache-Control: no-store", ("Cache-Control",)),
    ("user-agent", "Connection: User-Agent", "User-Agent: me", ("User-Agent",)),
    ("accept-encoding", "Connection: Accept-Encoding", "Accept-Encoding: br", ("Accept-Encoding",)),
    ("after-the-field", "X-Foo: 1", "Connection: X-Foo", ("X-Foo",)),
]

CASES = [
    *(
        _case(f"nominated-{name}", f"`{connection}` takes {' and '.join(gone)} off",
              f"{connection}|{fields}|X-Bar: 2", sent_lacks(*gone), sent("X-Bar", "2"), sent_options())
        for name, connection, fields, gone in _NOMINATION
    ),
    _case(
        "nominated-20", "twenty nominated names are taken off",
        "Connection: " + ",".join(f"X-N{i}" for i in range(20)) + "|" + "|".join(f"X-N{i}: 1" for i in range(20)),
        sent_lacks(*(f"X-N{i}" for i in range(20))),
    ),
    _case(
        "nominated-and-absent", "a nominated name that no field has does no harm",
        "Connection: X-Absent|X-Bar: 2", sent("X-Bar", "2"), sent_options(),
    ),
    _case(
        "whole-names-only", "a name is matched whole: X-Foo does not take X-Foo-Bar or X-Fo off",
        "Connection: X-Foo|X-Foo-Bar: 1|X-Fo: 2", sent("X-Foo-Bar", "1"), sent("X-Fo", "2"), level=Level.GOOD,
    ),
    _case(
        "quoted-member", "a quoted member is no token: it names nothing, and the rest still counts",
        'Connection: "X-Bar", X-Foo|X-Foo: 1|X-Bar: 2', sent_lacks("X-Foo"), sent("X-Bar", "2"), level=Level.GOOD,
    ),
    _case(
        "member-with-parameter", "`X-Foo;q=1` is no token: it goes with the Connection line",
        "Connection: X-Bar;q=1|X-Bar: 2", sent("X-Bar", "2"), sent_options(), level=Level.GOOD,
    ),
    _case(
        "order-kept", "what is not hop-by-hop keeps its order and its duplicates, on one line or several",
        "X-A: 1|x-b: 2|X-A: 3", either(sent("X-A", "1", "3"), sent("X-A", "1, 3")), sent("x-b", "2"),
    ),
    Case(
        "request-nominated-1.0", "a nomination in an HTTP/1.0 request counts as well", _CONNECTION, Level.MUST,
        "GET / HTTP/1.0|Host: h|Connection: X-Foo|X-Foo: 1|X-Bar: 2||",
        (requests(1), status(200), sent_lacks("X-Foo"), sent("X-Bar", "2")),
    ),
    Case(
        "request-nominated-on-post", "a nomination on a request with a body", _CONNECTION, Level.MUST,
        "POST / HTTP/1.1|Host: h|Connection: X-Foo|X-Foo: 1|Content-Length: 3||abc",
        (requests(1), status(200), sent_lacks("X-Foo"), sent_body(b"abc")),
    ),
    Case(
        "request-nominated-second", "the second request of a connection has its own nominations", _CONNECTION,
        Level.MUST,
        ("GET /1 HTTP/1.1|Host: h|Connection: X-One|X-One: 1|X-Two: 1||"
         "GET /2 HTTP/1.1|Host: h|Connection: X-Two|X-One: 2|X-Two: 2||", Response(), Response()),
        (status(200), sent("X-Two", "1"), sent_lacks("X-One")),
    ),
]  # fmt: skip

# -- what cannot be nominated away ---------------------------------------------------------------------------------

CASES += [
    _case("nominated-host", "nominating Host does nothing", "Connection: Host", sent("Host", "h")),
    Case(
        "request-nominated-content-length", "nominating Content-Length does not lose the body", _CONNECTION,
        Level.MUST, "POST / HTTP/1.1|Host: h|Connection: Content-Length|Content-Length: 3||abc",
        (requests(1), status(200), sent_body(b"abc")),
    ),
    Case(
        "request-nominated-transfer-encoding", "nominating Transfer-Encoding does not lose the body", _CONNECTION,
        Level.MUST,
        "POST / HTTP/1.1|Host: h|Connection: Transfer-Encoding|Transfer-Encoding: chunked||3|abc|0||",
        (requests(1), status(200), sent_body(b"abc")),
    ),
    _case("nominated-via", "nominating Via does not hide this hop's own", "Connection: Via|Via: 1.1 older",
          sent_like("Via", r"(1\.1 older, ?)?1\.1 .+"), level=Level.GOOD, reference="RFC 9110 §7.6.3"),
    Case("request-nominated-x-forwarded-for", "nominating X-Forwarded-For does not hide the client's address",
         "CVE-2022-31813", Level.GOOD,
         (f"{BEGUN}Connection: X-Forwarded-For|X-Forwarded-For: 6.6.6.6||", Verdict()),
         (either(sent_like("X-Forwarded-For", r"(.*, ?)?127\.0\.0\.1"), refused()),),
         promise=(sent("X-Forwarded-For", "127.0.0.1"),)),
    Case("request-nominated-x-forwarded-others", "nominating X-Forwarded-Host and -Proto does not hide this hop's own",
         "CVE-2024-45410", Level.GOOD, (f"{BEGUN}Connection: X-Forwarded-Host, X-Forwarded-Proto||", Verdict()),
         (either(every(sent_like("X-Forwarded-Host", r"h(:\d+)?"), sent_like("X-Forwarded-Proto", "http")), refused()),),
         promise=(sent("X-Forwarded-Host", "h"),)),
]  # fmt: skip

# -- the standard set, not nominated -------------------------------------------------------------------------------

_SHOULD = {"Keep-Alive": "timeout=5", "Proxy-Connection": "keep-alive", "TE": "gzip", "Upgrade": "h2c"}
_GOOD = {
    "Proxy-Authorization": "Basic eDp5",
    "Proxy-Authenticate": "Basic",
    "Proxy-Authentication-Info": "nextnonce=1",
    "Trailer": "X-T",
    "HTTP2-Settings": "AAMAAABkAARAAAAAAAIAAAAA",
}

CASES += [
    *(
        _case(f"standard-{name.lower()}", f"{name} is removed, though not nominated", f"{name}: {value}|X-Bar: 2",
              sent_lacks(name), sent("X-Bar", "2"), level=level)
        for level, names in ((Level.SHOULD, _SHOULD), (Level.GOOD, _GOOD))
        for name, value in names.items()
    ),
    _case("standard-all-nominated", "the whole standard set is removed where it is nominated",
          "Connection: " + ", ".join(_SHOULD | _GOOD) + "|"
          + "|".join(f"{name}: {value}" for name, value in (_SHOULD | _GOOD).items()),
          sent_lacks(*(name for name in _SHOULD | _GOOD if name != "Upgrade"))),
    _case("connection-close-not-forwarded", "the client's `Connection: close` is not passed on as its own words",
          "Connection: close, x-unknown", sent_options()),
    _case("keep-alive-field-nominated", "Keep-Alive, nominated by `keep-alive`, is removed",
          "Connection: keep-alive|Keep-Alive: timeout=5, max=9", sent_lacks("Keep-Alive")),
]  # fmt: skip

# -- TE ------------------------------------------------------------------------------------------------------------


_te_gone_or_own = either(
    sent_lacks("TE"), every(sent("TE", "trailers"), sent_like("Connection", r"(?i)(.*,\s*)?te(\s*,.*)?"))
)

CASES += [
    _case("te-trailers", "TE is removed, or stated anew together with `Connection: TE`",
          "TE: trailers, deflate;q=0.5|Connection: TE", _te_gone_or_own, reference="RFC 9110 §10.1.4"),
    _case("te-gzip", "`TE: gzip` is the client hop's own business", "TE: gzip|Connection: TE", sent_lacks("TE"),
          reference="RFC 9110 §10.1.4"),
]  # fmt: skip

CASES += [
    Case("nominated-request-id", "a nominated X-Request-Id goes", HOP, Level.MUST,
         "GET / HTTP/1.1|Host: h|Connection: x-request-id|X-Request-Id: mine||", (status(200), sent_nowhere("mine")),
         promise=(sent_like("X-Request-Id", ".+"),)),
    Case("nominated-request-id-trusted", "so does a trusted peer's", HOP, Level.MUST,
         "GET / HTTP/1.1|Host: h|Connection: X-Request-Id|X-Request-Id: mine||", (status(200), sent_nowhere("mine")),
         setting="trusting"),
    Case("nominated-host-proto-trusted", "and its X-Forwarded-Host and X-Forwarded-Proto", HOP, Level.MUST,
         "GET / HTTP/1.1|Host: h|Connection: x-forwarded-host, X-Forwarded-Proto|X-Forwarded-Host: evil"
         "|X-Forwarded-Proto: gopher||",
         (status(200), sent_nowhere("evil"), sent_nowhere("gopher")), setting="trusting"),
    Case("nominated-date", "a request's nominated Date goes", HOP, Level.MUST,
         "GET / HTTP/1.1|Host: h|Connection: date|Date: Sun, 06 Nov 1994 08:49:37 GMT||",
         (status(200), sent_lacks("Date"))),
    Case("nominated-max-forwards", "a GET's nominated Max-Forwards goes", HOP, Level.MUST,
         "GET / HTTP/1.1|Host: h|Connection: Max-Forwards|Max-Forwards: 3||", (status(200), sent_lacks("Max-Forwards"))),
    case("nom-not-across", "what a request nominates says nothing of the response, nor the other way round", HOP, Level.MUST,
         (get("Connection: X-A|X-A: 1|X-B: 2"), Response(), get("X-A: 3|X-B: 4", "/2"), Response()),
         (statuses(200, 200), sent_lacks("X-A"), got("X-A", "5"), got_lacks("X-B"), sent("X-A", "3", at=1),
          sent("X-B", "4", at=1)), ok("Connection: X-B|X-A: 5|X-B: 6"), OK),
    case("nom-error", "a nominated field does not stand in an answer of the proxy's own", HOP, Level.GOOD,
         get("Connection: X-A|X-A: s3cret"), (status(502), nowhere("s3cret")), (Close(),)),
    case("nom-retry", "a request that is sent a second time is stripped alike", HOP, Level.GOOD,
         (GET, Response(), get("Connection: X-A|X-A: 1", "/2"), Response()),
         (statuses(200, 200), sent_lacks("X-A", at=1), sent_lacks("X-A", at=-1)), OK, (Close(),), OK),
    case("te-1.0", "an HTTP/1.0 client's TE promises the upstream nothing", "RFC 9110 §10.1.4", Level.GOOD,
         "GET / HTTP/1.0|Host: h|TE: trailers|Connection: TE||", (status(200), sent_lacks("TE"))),
    case("te-chunked", "`TE: chunked` goes no further", "RFC 9112 §7.4", Level.MUST, get("TE: chunked, trailers;q=0|Connection: TE"),
         (status(200), sent_nowhere("chunked"))),
]  # fmt: skip
