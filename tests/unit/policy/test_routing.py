"""Which route serves a request."""

import pytest

from proxy.http1.fields import Fields
from proxy.policy.field_rules import FieldRules
from proxy.policy.paths import normalised_path
from proxy.policy.route import Route
from proxy.policy.routing import RoutingTable
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
    # by one spelling: unreserved characters decoded, one slash for many, no dot segments
    (b"x",                  b"//api",        "/api"),
    (b"x",                  b"/api//x",      "/api"),
    (b"x",                  b"/api//v2",     "/api/v2"),
    (b"x",                  b"/%61pi/x",     "/api"),
    (b"x",                  b"/%61%70%69",   "/api"),
    (b"x",                  b"/x/../api",    "/api"),
    (b"x",                  b"/x/%2e%2E/api", "/api"),
    (b"x",                  b"/api/../x",    "/"),
    (b"x",                  b"/api/..",      "/"),
    (b"x",                  b"/api/.",       "/api"),
    (b"x",                  b"/./api/./v2/", "/api/v2"),
    (b"x",                  b"/api/v2/..",   "/api"),
    (b"x",                  b"/static/.",    "/static/"),
    (b"x",                  b"/../../api",   "/api"),
    # once: what is decoded is not decoded again
    (b"x",                  b"/%2561pi",     "/"),
    # reserved characters stay encoded, so no separator appears
    (b"x",                  b"/api%2Fv2",    "/"),
    (b"x",                  b"/api/..%2fx",  "/api"),
    (b"x",                  b"/api/..;/x",   "/api"),
    # what is no encoding stands as it is
    (b"x",                  b"/api/%",       "/api"),
    (b"x",                  b"/api/%zz%6",   "/api"),
    (b"x",                  b"/api%00",      "/"),
    (b"x",                  b"/api/%00",     "/api"),
    # the query is left alone
    (b"x",                  b"/?/../api",    "/"),
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


NORMALISED = [
    (b"/",                b"/"),
    (b"/a/b",             b"/a/b"),
    (b"/a/b/",            b"/a/b/"),
    (b"*",                b"*"),
    (b"//",               b"/"),
    (b"///a///",          b"/a/"),
    (b"/a/./b/../c",      b"/a/c"),
    (b"/a/..",            b"/"),
    (b"/a/b/..",          b"/a/"),
    (b"/a/.",             b"/a/"),
    (b"/..",              b"/"),
    (b"/../../..",        b"/"),
    (b"/a//../b",         b"/b"),  # as nginx and Go read it: slashes first
    (b"/.a/..b/c../...",  b"/.a/..b/c../..."),
    (b"/.well-known/x",   b"/.well-known/x"),
    (b"/%7Ea%2dB%5f",     b"/~a-B_"),
    (b"/%2e%2E/a",        b"/a"),
    (b"/%c3%a4%2f%3b",    b"/%C3%A4%2F%3B"),
    (b"/%25%32%65",       b"/%252e"),
    (b"/%%32e",           b"/%2e"),
    (b"/%",               b"/%"),
    (b"/a%2",             b"/a%2"),
    (b"/%g1",             b"/%g1"),
    (b"/\\..\\a",         b"/\\..\\a"),
    (b"/\xe4",            b"/\xe4"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "expected"), NORMALISED)
def test_a_path_has_one_spelling(path: bytes, expected: bytes) -> None:
    assert normalised_path(path) == expected


def test_a_routes_own_path_is_matched_in_one_spelling_too() -> None:
    assert name_of(table("/%61pi//v1/").match(b"x", b"/api/v1/x")) == "/%61pi//v1/"
