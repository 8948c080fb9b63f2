"""What a route asks for besides host and path: methods, fields, listeners. More conditions go first."""

import pytest

from proxy.http1.message import RequestHead
from proxy.policy.conditions import keys_of
from proxy.policy.route import Route
from proxy.policy.routing import RoutingTable
from tests.harness.notation import request


def route(text: str) -> Route:
    """A row like `name host/path GET,PUT X-A=1 X-B= @public`."""
    name, place, *asks = text.split(" ")
    host, slash, path = place.partition("/")
    methods: frozenset[bytes] = frozenset()
    listeners: frozenset[str] = frozenset()
    headers = []
    for word in asks:
        if word.startswith("@"):
            listeners = frozenset(word[1:].split(","))
        elif "=" in word:
            field, _, value = word.partition("=")
            headers.append((field.lower().encode(), value.encode()))
        else:
            methods = frozenset(word.encode().split(b","))
    return Route(name, "u", host.encode(), (slash + path).encode(), methods, tuple(headers), listeners)


TABLE = RoutingTable(map(route, [
    "any /",
    "read /api GET,HEAD",
    "write /api POST",
    "canary /api X-Env=canary",
    "canary-read /api GET X-Env=canary",
    "tagged /api X-Env=",
    "two /api X-Env=a X-User=b",
    "inner /api @inner",
    "deep /api/v1 DELETE",
    "host h.example/ X-Env=canary",
    "wild *.example/api GET",
    "quiet quiet.example/ GET",
]))  # fmt: skip

MATCHES = [
    # request                                           listener   route
    ("GET / HTTP/1.1|Host: x",                          "",        "any"),
    ("GET /api HTTP/1.1|Host: x",                       "",        "read"),
    ("HEAD /api/x HTTP/1.1|Host: x",                    "",        "read"),
    ("POST /api HTTP/1.1|Host: x",                      "",        "write"),
    # methods are compared by case (RFC 9110 §9.1)
    ("post /api HTTP/1.1|Host: x",                      "",        "any"),
    # a route whose conditions are not met is as if it was not there: a shorter path serves the request
    ("PUT /api HTTP/1.1|Host: x",                       "",        "any"),
    ("DELETE /api/v1/x HTTP/1.1|Host: x",               "",        "deep"),
    ("GET /api/v1/x HTTP/1.1|Host: x",                  "",        "read"),
    # more conditions first; a value that is compared before one that must only be there
    ("PUT /api HTTP/1.1|Host: x|X-Env: canary",         "",        "canary"),
    ("GET /api HTTP/1.1|Host: x|X-Env: canary",         "",        "canary-read"),
    ("PUT /api HTTP/1.1|Host: x|x-env: other",          "",        "tagged"),
    ("PUT /api HTTP/1.1|Host: x|X-Env:",                "",        "tagged"),
    ("PUT /api HTTP/1.1|Host: x|X-Env: a|X-User: b",    "",        "two"),
    ("GET /api HTTP/1.1|Host: x|X-Env: a|X-User: b",    "",        "two"),
    ("PUT /api HTTP/1.1|Host: x|X-Env: a|X-User: B",    "",        "tagged"),
    # several lines are one list
    ("PUT /api HTTP/1.1|Host: x|X-Env: canary|X-Env: canary", "",  "tagged"),
    # listeners
    ("PUT /api HTTP/1.1|Host: x",                       "inner",   "inner"),
    ("PUT /api HTTP/1.1|Host: x",                       "outer",   "any"),
    # the better host first, if its conditions are met
    ("GET / HTTP/1.1|Host: h.example|X-Env: canary",    "",        "host"),
    ("GET /api HTTP/1.1|Host: h.example|X-Env: canary", "",        "host"),
    ("GET /api HTTP/1.1|Host: h.example",               "",        "wild"),
    ("PUT /api HTTP/1.1|Host: h.example",               "",        "any"),
]  # fmt: skip


def matched(table: RoutingTable, head: RequestHead, listener: str = "") -> str | None:
    found = table.match(head.known[b"host"][0], head.target, head, listener)
    return None if found is None else found.name


@pytest.mark.parametrize(("notation", "listener", "expected"), MATCHES)
def test_the_route_with_the_best_host_the_longest_path_and_the_most_conditions_serves(
    notation: str, listener: str, expected: str
) -> None:
    assert matched(TABLE, request(notation), listener) == expected


METHODS = [
    # routes                                    request                                    methods that would match
    (["a /x GET,HEAD", "b /x/y PUT"],           "POST /x/y HTTP/1.1|Host: h",              [b"GET", b"HEAD", b"PUT"]),
    (["a /x GET,HEAD", "b /x/y PUT"],           "POST /x HTTP/1.1|Host: h",                [b"GET", b"HEAD"]),
    (["a /x GET X-A=1", "b /x PUT"],            "POST /x HTTP/1.1|Host: h",                [b"PUT"]),
    (["a /x GET X-A=1", "b /x PUT"],            "POST /x HTTP/1.1|Host: h|X-A: 1",         [b"GET", b"PUT"]),
    (["a /x GET @in"],                          "POST /x HTTP/1.1|Host: h",                []),
    (["a h/x GET", "b *.h/x PUT", "c /x HEAD"], "POST /x HTTP/1.1|Host: h",                [b"GET", b"HEAD"]),
    (["a h/x GET", "b *.h/x PUT", "c /x HEAD"], "POST /x HTTP/1.1|Host: a.h",              [b"HEAD", b"PUT"]),
    (["a /x GET"],                              "POST /y HTTP/1.1|Host: h",                []),
    (["a /x X-A=1"],                            "POST /x HTTP/1.1|Host: h",                []),
    (["a /x"],                                  "POST /y HTTP/1.1|Host: h",                []),
]  # fmt: skip


@pytest.mark.parametrize(("routes", "notation", "methods"), METHODS)
def test_a_request_without_a_route_is_told_which_methods_have_one(
    routes: list[str], notation: str, methods: list[bytes]
) -> None:
    table, head = RoutingTable(map(route, routes)), request(notation)
    assert matched(table, head) is None
    assert table.methods(head.known[b"host"][0], head.target, head) == methods


def test_of_routes_that_no_rule_orders_the_first_goes_first() -> None:
    rows = [route("a / X-A=1"), route("b / X-B=1")]
    head = request("GET / HTTP/1.1|Host: h|X-B: 1|X-A: 1")
    assert matched(RoutingTable(rows), head) == "a"
    assert matched(RoutingTable(reversed(rows)), head) == "b"


def test_a_single_route_with_a_condition_does_not_take_all() -> None:
    assert matched(RoutingTable([route("a / GET")]), request("PUT / HTTP/1.1|Host: h")) is None


SAME = [
    ("a / GET,PUT",        "b / PUT,POST",       True),
    ("a / GET",            "b / PUT",            False),
    ("a / GET X-A=1",      "b / GET X-A=1",      True),
    ("a / GET X-A=1",      "b / GET X-A=2",      False),
    ("a / X-A=1",          "b / x-a=1",          True),
    ("a / X-A=",           "b / X-A=1",          False),
    ("a / GET",            "b / X-A=1",          False),
    ("a / @one,two",       "b / @two",           True),
    ("a /",                "b /",                True),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second", "same"), SAME)
def test_routes_that_nothing_tells_apart_are_known(first: str, second: str, same: bool) -> None:
    assert bool({*keys_of(route(first))} & {*keys_of(route(second))}) is same
