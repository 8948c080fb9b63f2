"""Hop-by-hop fields of requests: what the client's hop said must not reach the upstream (RFC 9110 §7.6.1)."""

from tests.conformance.checks.at_client import status
from tests.conformance.checks.at_upstream import requests, sent, sent_body, sent_lacks, sent_like, sent_options
from tests.conformance.checks.check import either, every
from tests.conformance.checks.verdicts import refused
from tests.conformance.steps import Case, Check, Level, Verdict

_CONNECTION = "RFC 9110 §7.6.1"
_GET = "GET / HTTP/1.1|Host: h|"


def _case(
    name: str, title: str, head: str, *expect: Check, level: Level = Level.MUST, reference: str = _CONNECTION
) -> Case:
    """A GET with more fields."""
    return Case(f"request-{name}", title, reference, level, f"{_GET}{head}||", (requests(1), status(200), *expect))


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
        "GET /1 HTTP/1.1|Host: h|Connection: X-One|X-One: 1|X-Two: 1||"
        "GET /2 HTTP/1.1|Host: h|Connection: X-Two|X-One: 2|X-Two: 2||",
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
         (f"{_GET}Connection: X-Forwarded-For|X-Forwarded-For: 6.6.6.6||", Verdict()),
         (either(sent_like("X-Forwarded-For", r"(.*, ?)?127\.0\.0\.1"), refused()),),
         promise=(sent("X-Forwarded-For", "127.0.0.1"),)),
    Case("request-nominated-x-forwarded-others", "nominating X-Forwarded-Host and -Proto does not hide this hop's own",
         "CVE-2024-45410", Level.GOOD, (f"{_GET}Connection: X-Forwarded-Host, X-Forwarded-Proto||", Verdict()),
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
