"""The routing table against a reference that looks at every route."""

import re
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from proxy.http1.message import RequestHead
from proxy.http1.section import section
from proxy.policy import conditions
from proxy.policy.conditions import keys_of
from proxy.policy.paths import normalised_path
from proxy.policy.route import Route
from proxy.policy.routing import RoutingTable
from tests.property.strategies import times

LABELS = st.sampled_from([b"a", b"A", b"b"])
HOSTS = st.lists(LABELS, min_size=1, max_size=3).map(b".".join)
PATTERNS = st.just(b"") | HOSTS | HOSTS.map(lambda host: b"*." + host)
SEGMENTS = st.sampled_from([b"", b"a", b"%61", b"ab", b"a%62", b"..", b"%2e.", b".", b"..%2f", b"%", b"%2"])
PATHS = st.lists(SEGMENTS, max_size=6).map(lambda parts: b"/" + b"/".join(parts))


def naively_normalised(path: bytes) -> bytes:
    """One change at a time, until there is none left."""
    for encoded, plain in ((b"%61", b"a"), (b"%62", b"b"), (b"%2e", b"."), (b"%2f", b"%2F")):
        path = path.replace(encoded, plain)
    while b"//" in path:
        path = path.replace(b"//", b"/")
    while (found := re.search(rb"/\.(?=/|\Z)|(?:\A|/(?!\.\.?/)[^/]+)/\.\.(?=/|\Z)", path)) is not None:
        path = path[: found.start()] + (path[found.end() :] or b"/")
    return path or b"/"


ROUTES = st.lists(
    st.tuples(PATTERNS, PATHS), max_size=8, unique_by=lambda row: (row[0].lower(), naively_normalised(row[1]))
).map(lambda rows: [Route(f"{host!r}{path!r}", "u", host, path) for host, path in rows])
AUTHORITIES = st.builds(
    lambda host, dot, port: host + dot + port, HOSTS, st.sampled_from([b"", b"."]), st.sampled_from([b"", b":", b":80"])
)


def host_rank(pattern: bytes, host: bytes) -> tuple[int, int] | None:
    """How closely a pattern matches; None where it does not."""
    if not pattern:
        return (0, 0)
    if pattern.startswith(b"*."):
        return (1, len(pattern)) if host.endswith(pattern[1:]) else None
    return (2, 0) if host == pattern else None


def prefixes(route_path: bytes, path: bytes) -> bool:
    return path == route_path or path.startswith(route_path if route_path.endswith(b"/") else route_path + b"/")


def reference(routes: list[Route], authority: bytes, path: bytes) -> Route | None:
    host = authority.lower().partition(b":")[0].removesuffix(b".")
    ranked = [
        (rank, len(naively_normalised(route.path)), route)
        for route in routes
        if (rank := host_rank(route.host.lower(), host)) is not None
        and prefixes(naively_normalised(route.path), naively_normalised(path))
    ]
    return max(ranked, default=(None, None, None), key=lambda row: row[:2])[2]


@times(5)
@given(ROUTES, AUTHORITIES | st.just(b""), PATHS)
def test_the_table_finds_what_looking_at_every_route_finds(routes: list[Route], authority: bytes, path: bytes) -> None:
    expected = reference(routes, authority, path)
    assert RoutingTable(routes).match(authority, path) == expected
    # Among paths of many lengths, others are looked up.
    hosts = {route.host.lower() for route in routes}
    others = [Route(f"{host!r} {n}", "u", host, b"/" + b"z" * n) for host in hosts for n in range(1, 10)]
    assert RoutingTable([*routes, *others]).match(authority, path) == expected


@given(ROUTES, AUTHORITIES)
def test_an_asterisk_is_routed_like_the_root(routes: list[Route], authority: bytes) -> None:
    table = RoutingTable(routes)
    assert table.match(authority, b"*") == table.match(authority, b"/")


@given(PATHS)
def test_a_path_has_one_spelling_and_keeps_it(path: bytes) -> None:
    once = normalised_path(path)
    assert once == naively_normalised(path)
    assert not {b"", b".", b".."} & set(once.split(b"/")[1:-1])


METHODS = st.sampled_from([b"GET", b"PUT", b"HEAD"])
VALUES = st.sampled_from([b"1", b"2"])
CONDITIONED = st.lists(
    st.builds(
        lambda path, methods, headers, listeners: Route(
            "", "u", b"", path, frozenset(methods), tuple(sorted(headers.items())), frozenset(listeners)
        ),
        st.sampled_from([b"/", b"/a", b"/a/b"]),
        st.sets(METHODS, max_size=2),
        st.dictionaries(st.sampled_from([b"x-a", b"x-b"]), VALUES | st.just(b""), max_size=2),
        st.sets(st.sampled_from(["in", "out"]), max_size=1),
    ),
    max_size=10,
)


@times(5)
@given(
    CONDITIONED,
    METHODS,
    st.dictionaries(st.sampled_from([b"X-A", b"x-B"]), VALUES),
    st.sampled_from(["in", ""]),
    st.sampled_from([0, 8]),
)
def test_conditions_are_met_as_looking_at_every_route_finds(
    rows: list[Route], method: bytes, fields: dict[bytes, bytes], listener: str, few: int
) -> None:
    distinct: list[Route] = []
    taken: set[object] = set()
    for number, route in enumerate(rows):
        keys = {(route.path, key) for key in keys_of(route)}
        if not keys & taken:
            taken |= keys
            distinct.append(
                Route(
                    str(number),
                    path=route.path,
                    methods=route.methods,
                    headers=route.headers,
                    listeners=route.listeners,
                )
            )
    lower = {name.lower(): value for name, value in fields.items()}

    def meets(route: Route, *, any_method: bool = False) -> bool:
        return (
            (any_method or not route.methods or method in route.methods)
            and (not route.listeners or listener in route.listeners)
            and all(name in lower and value in (b"", lower[name]) for name, value in route.headers)
        )

    def rank(route: Route) -> tuple[int, int, int]:
        compared = sum(value != b"" for _, value in route.headers)
        return len(route.path), len(route.headers) + bool(route.methods) + bool(route.listeners), compared

    head = RequestHead(method, b"/a/b", b"1.1", *section(list(fields.items())))
    table = RoutingTable(distinct)
    meeting = [route for route in distinct if meets(route)]
    with patch.object(conditions, "_FEW", few):  # whether all groups are looked at, or those that may match
        found = table.match(b"h", b"/a/b", head, listener)
        allowed = table.methods(b"h", b"/a/b", head, listener)
    assert (found is None) == (not meeting)
    if found is not None:
        assert found in meeting
        assert rank(found) == max(map(rank, meeting))
    elsewise = {name for route in distinct if meets(route, any_method=True) for name in route.methods}
    if found is None:
        assert allowed == sorted(elsewise)
