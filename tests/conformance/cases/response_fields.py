"""Hop-by-hop fields of final responses: what the upstream's hop said must not reach the client (RFC 9110 §7.6.1)."""

from tests.conformance.cases.shared import GET, HOP, NEXT, case
from tests.conformance.checks.at_client import (
    got,
    got_body,
    got_framing,
    got_lacks,
    got_like,
    got_no_line,
    got_options,
    interim,
    interim_lacks,
    interims,
    nowhere,
    status,
    statuses,
)
from tests.conformance.checks.at_upstream import fresh, requests
from tests.conformance.steps import OK, Case, Check, Level, Response

_CONNECTION = "RFC 9110 §7.6.1"


def _case(
    name: str,
    title: str,
    head: str,
    *expect: Check,
    level: Level = Level.MUST,
    reference: str = _CONNECTION,
    start: str = "HTTP/1.1 200 OK",
) -> Case:
    """A response with more fields, to a GET."""
    answer = f"{start}|{head}|Content-Length: 2||ok"
    return Case(f"response-{name}", title, reference, level, GET, (requests(1), got_body(b"ok"), *expect), (answer,))


_NOMINATION = [
    # name, Connection lines, the fields, those that must be gone
    ("alone", "Connection: X-Foo", "X-Foo: 1", ("X-Foo",)),
    ("with-close", "Connection: close, X-Foo", "X-Foo: 1", ("X-Foo",)),
    ("with-keep-alive", "Connection: keep-alive, X-Foo", "X-Foo: 1", ("X-Foo",)),
    ("lower-case", "Connection: x-foo", "X-FOO: 1", ("X-Foo",)),
    ("upper-case", "CONNECTION: X-FOO", "x-foo: 1", ("X-Foo",)),
    ("tabs", "Connection: \tX-Foo\t,\tX-Baz\t", "X-Foo: 1|X-Baz: 2", ("X-Foo", "X-Baz")),
    ("two-lines", "Connection: X-Foo|Connection: X-Baz", "X-Foo: 1|X-Baz: 2", ("X-Foo", "X-Baz")),
    ("empty-first-line", "Connection: |Connection: X-Foo", "X-Foo: 1", ("X-Foo",)),
    ("empty-members", "Connection: ,, X-Foo ,,", "X-Foo: 1", ("X-Foo",)),
    ("many-lines-of-it", "Connection: X-Foo", "X-Foo: 1|X-Foo: 2|x-foo: 3", ("X-Foo",)),
    ("set-cookie", "Connection: Set-Cookie", "Set-Cookie: a=b", ("Set-Cookie",)),
    ("set-cookie-with-close", "Connection: close, Set-Cookie, X-Foo", "Set-Cookie: a=b|X-Foo: 1",
     ("Set-Cookie", "X-Foo")),
    ("cache-control", "Connection: Cache-Control", "Cache-Control: max-age=9", ("Cache-Control",)),
    ("content-type", "Connection: Content-Type", "Content-Type: text/x-odd", ("Content-Type",)),
    ("after-the-field", "X-Foo: 1", "Connection: X-Foo", ("X-Foo",)),
]  # fmt: skip

CASES = [
    *(
        _case(f"nominated-{name}", f"`{connection}` takes {' and '.join(gone)} off",
              f"{connection}|{fields}|X-Bar: 2", got_lacks(*gone), got("X-Bar", "2"), got_options())
        for name, connection, fields, gone in _NOMINATION
    ),
    _case("nominated-20", "twenty nominated names are taken off",
          "Connection: " + ",".join(f"X-N{i}" for i in range(20)) + "|" + "|".join(f"X-N{i}: 1" for i in range(20)),
          got_lacks(*(f"X-N{i}" for i in range(20)))),
    _case("whole-names-only", "a name is matched whole: X-Foo does not take X-Foo-Bar off",
          "Connection: X-Foo|X-Foo-Bar: 1", got("X-Foo-Bar", "1"), level=Level.GOOD),
    _case("member-with-parameter", "`X-Bar;q=1` is no token: it names nothing",
          "Connection: X-Bar;q=1|X-Bar: 2", got("X-Bar", "2"), got_options(), level=Level.GOOD),
    _case("set-cookie-lines", "several Set-Cookie lines stay several, in order",
          "Set-Cookie: a=1|X-Bar: 2|Set-Cookie: b=2, c", got("Set-Cookie", "a=1", "b=2, c"),
          reference="RFC 9110 §5.3"),
    _case("nominated-content-length", "nominating Content-Length does not lose the body",
          "Connection: Content-Length|X-Bar: 2", got("X-Bar", "2")),
    Case("response-nominated-transfer-encoding", "nominating Transfer-Encoding does not lose the body", _CONNECTION,
         Level.MUST, GET, (status(200), got_body(b"abc")),
         ("HTTP/1.1 200 OK|Connection: Transfer-Encoding|Transfer-Encoding: chunked||3|abc|0||",)),
    _case("nominated-date", "a nominated Date is replaced by this hop's own, not lost", "Connection: Date|Date: never",
          got_like("Date", r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"), level=Level.GOOD,
          reference="RFC 9110 §6.6.1"),
    _case("nominated-by-1.0", "a nomination in an HTTP/1.0 response counts as well", "Connection: X-Foo|X-Foo: 1",
          got_lacks("X-Foo"), start="HTTP/1.0 200 OK"),
    *(
        Case(f"response-nominated-{code}", f"a {code} is stripped like a 200", _CONNECTION, Level.MUST, GET,
             (requests(1), status(code), got_lacks("X-Foo"), got("X-Bar", "2")),
             (f"HTTP/1.1 {code} It Is|Connection: X-Foo|X-Foo: 1|X-Bar: 2|{length}|",))
        for code, length in ((204, ""), (304, ""), (302, "Content-Length: 0|"), (404, "Content-Length: 0|"),
                             (503, "Content-Length: 0|"))
    ),
    Case("response-nominated-head", "the response to HEAD is stripped", _CONNECTION, Level.MUST,
         ("HEAD / HTTP/1.1|Host: h||", Response("HEAD")), (status(200), got_lacks("X-Foo"), got("X-Bar", "2")),
         ("HTTP/1.1 200 OK|Connection: X-Foo|X-Foo: 1|X-Bar: 2|Content-Length: 9||",)),
    Case("response-nominated-chunked", "a chunked response is stripped", _CONNECTION, Level.MUST, GET,
         (status(200), got_lacks("X-Foo"), got_body(b"abc")),
         ("HTTP/1.1 200 OK|Connection: X-Foo|X-Foo: 1|Transfer-Encoding: chunked||3|abc|0||",)),
]  # fmt: skip

# -- the standard set, not nominated -------------------------------------------------------------------------------

_SHOULD = {"Keep-Alive": "timeout=77", "Proxy-Connection": "keep-alive", "TE": "trailers", "Upgrade": "h2c"}
_GOOD = {
    "Proxy-Authenticate": 'Basic realm="x"',
    "Proxy-Authentication-Info": "nextnonce=1",
    "Proxy-Authorization": "Basic eDp5",
    "Trailer": "X-T",
    "HTTP2-Settings": "AAMAAABk",
}

CASES += [
    *(
        _case(f"standard-{name.lower()}", f"{name} is removed, though not nominated", f"{name}: {value}|X-Bar: 2",
              got_no_line(name, value), got("X-Bar", "2"), level=level)
        for level, names in ((Level.SHOULD, _SHOULD), (Level.GOOD, _GOOD))
        for name, value in names.items()
    ),
    _case("standard-all-nominated", "the whole standard set is removed where it is nominated",
          "Connection: " + ", ".join(_SHOULD | _GOOD) + "|"
          + "|".join(f"{name}: {value}" for name, value in (_SHOULD | _GOOD).items()),
          got_lacks(*(name for name in _SHOULD | _GOOD if name != "Keep-Alive")), nowhere("timeout=77")),
    Case("response-407", "an origin's own 407 keeps its status, and loses its Proxy-Authenticate",
         "RFC 9110 §11.7.1", Level.GOOD, GET, (status(407), got_lacks("Proxy-Authenticate"), got_body(b"no")),
         ('HTTP/1.1 407 Proxy Authentication Required|Proxy-Authenticate: Basic realm="x"|Content-Length: 2||no',)),
    _case("keep-alive-nominated", "Keep-Alive, nominated by `keep-alive`, is removed",
          "Connection: keep-alive|Keep-Alive: timeout=77, max=9", nowhere("timeout=77")),
]  # fmt: skip

# -- interim responses ---------------------------------------------------------------------------------------------

_INTERIM = [
    ("nominated", "Connection: X-Foo|X-Foo: 1", ("X-Foo", "Connection"), Level.MUST),
    ("nominated-case", "connection: x-foo, X-BAZ|X-FOO: 1|x-baz: 1", ("X-Foo", "X-Baz", "Connection"), Level.MUST),
    ("nominated-two-lines", "Connection: |Connection: X-Foo|X-Foo: 1", ("X-Foo", "Connection"), Level.MUST),
    ("keep-alive", "Keep-Alive: timeout=5", ("Keep-Alive",), Level.SHOULD),
    ("proxy-connection", "Proxy-Connection: close", ("Proxy-Connection",), Level.SHOULD),
    ("upgrade", "Upgrade: h2c", ("Upgrade",), Level.SHOULD),
    ("proxy-authenticate", "Proxy-Authenticate: Basic", ("Proxy-Authenticate",), Level.GOOD),
]

CASES += [
    Case(f"interim-{name}", f"a 103 with `{fields.replace('|', ', ')}` keeps only its Link", _CONNECTION, level, GET,
         (status(200), got_body(b"ok"), interim_lacks(*gone), got_framing("length")),
         (f"HTTP/1.1 103 Early Hints|{fields}|Link: </a.css>; rel=preload||HTTP/1.1 200 OK|Content-Length: 2||ok",))
    for name, fields, gone, level in _INTERIM
] + [
    Case("interim-nominations-are-its-own", "what a 103 nominates says nothing of the final response", _CONNECTION,
         Level.GOOD, GET, (status(200), got("X-Foo", "2"), interims(103), interim("X-Bar", "1")),
         ("HTTP/1.1 103 Early Hints|Connection: X-Foo|X-Foo: 1|X-Bar: 1||"
          "HTTP/1.1 200 OK|Connection: X-Bar|X-Foo: 2|X-Bar: 2|Content-Length: 2||ok",)),
]  # fmt: skip

CASES += [
    Case("nominated-via-response", "a response's nominated Via goes, and ours stands", HOP, Level.MUST, GET,
         (status(200), nowhere("old-hop")),
         ("HTTP/1.1 200 OK|Connection: VIA|Via: 1.0 old-hop|Content-Length: 2||ok",),
         promise=(got_like("Via", "1.1 .+"),)),
    Case("nominated-location", "a redirection's nominated Location goes", HOP, Level.MUST, GET,
         (status(302), got_lacks("Location"), got_options()),
         ("HTTP/1.1 302 Found|Connection: location|Location: /x|Content-Length: 0||",)),
    case("nom-head-length", "a response to HEAD that nominates Content-Length is still no body", HOP, Level.MUST,
         ("HEAD / HTTP/1.1|Host: h||", Response("HEAD"), NEXT, Response()), (statuses(200, 200), got_options()),
         "HTTP/1.1 200 OK|Connection: Content-Length|Content-Length: 9||", OK),
    case("nom-304-1.0", "an HTTP/1.0 304 that nominates is stripped, and is no body", HOP, Level.MUST,
         (GET, Response(), NEXT, Response()), (statuses(304, 200), got_lacks("X-A"), fresh()),
         "HTTP/1.0 304 N|Connection: X-A|X-A: 1|Content-Length: 7||", OK),
]  # fmt: skip
