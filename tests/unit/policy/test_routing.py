"""Which route serves a request."""

import pytest

from proxy.http1.fields import Fields
from proxy.policy.routing import FieldRules, Route, RoutingTable
from tests.harness.notation import lines, shown


def table(*rows: str) -> RoutingTable:
    """Each row is `host/path`; the route is named after it."""
    routes = []
    for row in rows:
        host, slash, path = row.partition("/")
        routes.append(Route(row, "u", host.encode(), (slash + path).encode() or b"/"))
    return RoutingTable(routes)


TABLE = table(
    "/", "/api", "/api/v2", "/static/",
    "a.example/", "a.example/api",
    "only.example/here",
    "*.example/wild", "*.b.example/", "[::1]/six",
)  # fmt: skip

MATCHES = [
    # authority             path             route
    # any host, longest prefix, at the end of a segment
    (b"",                   b"/",            "/"),
    (b"x",                  b"/apix",        "/"),
    (b"x",                  b"/api",         "/api"),
    (b"x",                  b"/api/",        "/api"),
    (b"x",                  b"/api/v2",      "/api/v2"),
    (b"x",                  b"/api/v2/x",    "/api/v2"),
    (b"x",                  b"/api/v22",     "/api"),
    (b"x",                  b"/api/v",       "/api"),
    (b"x",                  b"/ap",          "/"),
    (b"x",                  b"/API",         "/"),  # paths are case-sensitive
    (b"x",                  b"/static",      "/"),
    (b"x",                  b"/static/",     "/static/"),
    (b"x",                  b"/static/x",    "/static/"),
    # bytes as they stand: no decoding, no dot segments
    (b"x",                  b"//api",        "/"),
    (b"x",                  b"/api//x",      "/api"),
    (b"x",                  b"/%61pi",       "/"),
    (b"x",                  b"/x/../api",    "/"),
    (b"x",                  b"/api/../x",    "/api"),
    # the query is no part of the path
    (b"x",                  b"/api?/b",      "/api"),
    (b"x",                  b"/?/api",       "/"),
    (b"x",                  b"/api/v2?a?b",  "/api/v2"),
    # an asterisk asks whoever serves the root
    (b"x",                  b"*",            "/"),
    (b"a.example",          b"*",            "a.example/"),
    # an exact host, port and case and the root's dot aside
    (b"a.example",          b"/",            "a.example/"),
    (b"A.Example:8080",     b"/",            "a.example/"),
    (b"a.example:",         b"/",            "a.example/"),
    (b"a.example.",         b"/",            "a.example/"),
    (b"a.example.:80",      b"/",            "a.example/"),
    (b"a.example",          b"/api/v2",      "a.example/api"),  # the host goes before the longer path
    (b"xa.example",         b"/api",         "/api"),
    (b"a.example.org",      b"/",            "/"),
    # a host without a matching path falls back: to a wildcard, then to any
    (b"only.example",       b"/here/x",      "only.example/here"),
    (b"only.example",       b"/wild",        "*.example/wild"),
    (b"only.example",       b"/there",       "/"),
    # wildcards: subdomains at any depth, the longer first, never the domain itself
    (b"z.example",          b"/wild",        "*.example/wild"),
    (b"y.z.example",        b"/wild",        "*.example/wild"),
    (b"example",            b"/wild",        "/"),
    (b"xexample",           b"/wild",        "/"),
    (b"z.b.example",        b"/wild",        "*.b.example/"),
    (b"b.example",          b"/wild",        "*.example/wild"),
    # addresses
    (b"[::1]",              b"/six",         "[::1]/six"),
    (b"[::1]:80",           b"/six",         "[::1]/six"),
    (b"[::2]:80",           b"/six",         "/"),
    (b"127.0.0.1:80",       b"/api",         "/api"),
]  # fmt: skip


def name_of(route: Route | None) -> str | None:
    return None if route is None else route.name


@pytest.mark.parametrize(("authority", "path", "expected"), MATCHES)
def test_a_request_goes_to_the_closest_route(authority: bytes, path: bytes, expected: str) -> None:
    assert name_of(TABLE.match(authority, path)) == expected


NO_MATCH = [
    (table(),                        b"h",  b"/"),
    (table("/api"),                  b"h",  b"/"),
    (table("/api"),                  b"h",  b"/apix"),
    (table("/api"),                  b"h",  b"*"),
    (table("/api/"),                 b"h",  b"/api"),
    (table("a/"),                    b"",   b"/"),
    (table("a/"),                    b"b",  b"/"),
    (table("*.a/"),                  b"a",  b"/"),
    (table("*.a/x", "b.a/y"),        b"b.a", b"/z"),
]  # fmt: skip


@pytest.mark.parametrize(("routes", "authority", "path"), NO_MATCH)
def test_no_route_is_an_answer_too(routes: RoutingTable, authority: bytes, path: bytes) -> None:
    assert routes.match(authority, path) is None


@pytest.mark.parametrize("host", [b"", b"*"])
def test_a_route_without_host_serves_any(host: bytes) -> None:
    routes = RoutingTable([Route("r", "u", host)])
    assert name_of(routes.match(b"whatever:1", b"/x")) == "r"


def test_a_routes_host_is_compared_without_case() -> None:
    assert name_of(RoutingTable([Route("r", "u", b"*.EXAMPLE")]).match(b"a.example", b"/")) == "r"


RULES = [
    # remove              put                          in                              out
    ([],                  [],                          "A: 1|B: 2",                    "A: 1|B: 2"),
    ([b"a"],              [],                          "A: 1|B: 2|a: 3",               "B: 2"),
    ([],                  [(b"A", b"9")],              "a: 1|B: 2|A: 3",               "B: 2|A: 9"),
    ([],                  [(b"C", b"9")],              "A: 1",                         "A: 1|C: 9"),
    ([],                  [(b"C", b"8"), (b"C", b"9")], "c: 1",                        "C: 8|C: 9"),
    ([b"a"],              [(b"A", b"9")],              "A: 1",                         "A: 9"),
    ([b"a"],              [],                          "Aa: 1|a-: 2",                  "Aa: 1|a-: 2"),
    # `_` and `-` are one name to CGI, WSGI and PHP
    ([b"a-b-c"],          [(b"D-e", b"9")],            "A_b-C: 1|a-b_c: 2|d_E: 3|d: 4", "d: 4|D-e: 9"),
    ([b"a_b"],            [],                          "A-B: 1|a_b: 2|ab: 3",          "ab: 3"),
]  # fmt: skip


@pytest.mark.parametrize(("remove", "put", "incoming", "outgoing"), RULES)
def test_rules_remove_then_put(remove: list[bytes], put: Fields, incoming: str, outgoing: str) -> None:
    rules = FieldRules(frozenset(remove), tuple(put))
    assert shown(rules.apply(lines(incoming))) == outgoing
