"""Which route serves a request: by host, exact or wildcard, and by path prefix. The longest match wins.

Paths are compared in one spelling (`normalised_path`), because services normalise before they act: else `/x/../api`
would reach what a route guards at `/api`, past that route. The upstream is sent the client's bytes.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Final

import msgspec

from proxy.http1.field_names import canonical_name
from proxy.http1.fields import Fields
from proxy.policy.access import Access
from proxy.policy.decisions import Decisions, Outcome, Rule
from proxy.policy.settings import Limits, Timeouts

_PUT = Rule(Outcome.SET, "by the route's rules")
_PUT_ANEW = Rule(Outcome.REPLACED, "replaced by the route's rules")
_REMOVED = Rule(Outcome.REMOVED_BY_ROUTE, "removed by the route's rules")


class FieldRules(msgspec.Struct, frozen=True, dict=True):
    """What a route changes in a message's fields, after stripping: `remove` (lower-case names), then `put`.

    A name is meant in all its spellings, and `_` for `-` is one: CGI, WSGI and PHP services read both as one name.
    """

    remove: frozenset[bytes] = frozenset()
    put: tuple[tuple[bytes, bytes], ...] = ()

    @cached_property
    def _owned(self) -> dict[bytes, Rule]:
        """The rule for every name that the route puts or removes."""
        removed = dict.fromkeys(map(canonical_name, self.remove), _REMOVED)
        return removed | dict.fromkeys((canonical_name(name) for name, _ in self.put), _PUT_ANEW)

    def owns(self, name: bytes) -> bool:
        """Whether the route puts or removes a field."""
        return canonical_name(name) in self._owned

    def without_owned(self, lines: Fields, decisions: Decisions | None = None) -> Fields:
        """Return the lines that the route neither puts nor removes. Of a trailer section, only these may go on."""
        owned = self._owned
        if decisions is not None:
            for line in lines:
                if (rule := owned.get(canonical_name(line[0]))) is not None:
                    decisions.decide(line, rule)
        return [line for line in lines if canonical_name(line[0]) not in owned]

    def apply(self, lines: Fields, decisions: Decisions | None = None) -> Fields:
        """Return the changed lines. A field that is put replaces every line of its name."""
        if decisions is not None:
            decisions.decide_all(self.put, _PUT)
        return [*self.without_owned(lines, decisions), *self.put]


class Route(msgspec.Struct, frozen=True):
    """One row of the routing table. `host` is `b""` for any, `b"*.example.com"` for its subdomains.

    `host_override` is what `Host` says to the upstream instead of the client's; empty keeps the client's.
    `default_host` is what it says where a 1.0 client named nobody. `access` is asked before anything else happens.
    `timeouts` and `limits` are those of all, as one object, where the route has none of its own.
    """

    name: str
    upstream: str
    host: bytes = b""
    path: bytes = b"/"
    request_fields: FieldRules | None = None
    response_fields: FieldRules | None = None
    host_override: bytes = b""
    default_host: bytes = b""
    access: Access | None = None
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    upgrades: Mapping[bytes, bytes] | None = None  # protocols that a client may switch to here; None: as everywhere


_HEX: Final = "0123456789ABCDEFabcdef"
_UNRESERVED: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"  # RFC 3986 §2.3
#: What `%` and these two digits mean: an unreserved character, or the same with upper-case digits.
_DECODED: Final = {
    (high + low).encode(): bytes([byte]) if (byte := int(high + low, 16)) in _UNRESERVED else b"%%%02X" % byte
    for high in _HEX
    for low in _HEX
}


def normalised_path(path: bytes) -> bytes:
    """The path as routes are matched by it: RFC 3986 §6.2.2, and repeated slashes as one.

    In this order: percent-encoded unreserved characters are decoded, once, and the hex digits of all others are upper
    case; repeated slashes become one; dot segments are removed. A malformed `%` stays as it is. So does what only some
    services take for a separator or a dot segment: `%2F`, `%00`, a backslash, `..;x`. Costs linear time.
    """
    if b"%" in path:
        start, *rest = path.split(b"%")
        path = start + b"".join([_DECODED.get(part[:2], b"%" + part[:2]) + part[2:] for part in rest])
    if b"//" in path or b"/." in path:
        path = _without_dot_segments(path)
    return path


def _without_dot_segments(path: bytes) -> bytes:
    *segments, last = path.split(b"/")
    kept: list[bytes] = []
    for segment in (*segments, last):
        if segment == b"..":
            if kept:
                kept.pop()
        elif segment not in (b"", b"."):
            kept.append(segment)
    if last in (b"", b".", b".."):
        kept.append(b"")  # it names a folder: the slash at its end stays
    return b"/".join([b"", *kept])


class _Paths:
    """The routes of one host pattern, by path prefix."""

    def __init__(self) -> None:
        self._by_prefix: dict[bytes, Route] = {}
        self._lengths: list[int] = []

    def add(self, route: Route) -> None:
        self._by_prefix[normalised_path(route.path)] = route
        self._lengths = sorted({len(prefix) for prefix in self._by_prefix}, reverse=True)

    def match(self, path: bytes) -> Route | None:
        # Tries each distinct prefix length once, so the cost does not grow with the number of routes.
        for length in self._lengths:
            prefix = path[:length]
            route = self._by_prefix.get(prefix)
            if route is not None and (prefix[-1:] == b"/" or path[length : length + 1] in (b"", b"/")):
                return route
        return None


class RoutingTable:
    """Routes, compiled for lookup. A prefix ends at a path segment: `/api` serves `/api` and `/api/x`, not `/apix`."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._hosts: dict[bytes, _Paths] = {}
        self._wildcards: dict[bytes, _Paths] = {}
        self._any = _Paths()
        rows = list(routes)
        for route in rows:
            self._paths_of(route.host.lower()).add(route)
        takes_all = len(rows) == 1 and rows[0].host in (b"", b"*") and rows[0].path == b"/"
        self._catch_all = rows[0] if takes_all else None
        self._only_any = not self._hosts and not self._wildcards
        self._wildcard_lengths = sorted({len(suffix) for suffix in self._wildcards}, reverse=True)

    def _paths_of(self, host: bytes) -> _Paths:
        if not host or host == b"*":
            return self._any
        if host.startswith(b"*."):
            return self._wildcards.setdefault(host[1:], _Paths())
        return self._hosts.setdefault(host, _Paths())

    def match(self, authority: bytes, target: bytes) -> Route | None:
        """The route for a request's authority (port ignored) and its target in origin-form, or None.

        An exact host goes before a wildcard, a longer wildcard before a shorter, and any host comes last.
        """
        if self._catch_all is not None:
            return self._catch_all
        path = target.partition(b"?")[0]
        if path == b"*":
            path = b"/"  # OPTIONS * asks about the server: served by the route for its root
        path = normalised_path(path)
        if self._only_any:
            return self._any.match(path)
        host = _host(authority)
        paths = self._hosts.get(host)
        if paths is not None and (route := paths.match(path)) is not None:
            return route
        # Each distinct length once, so that the cost does not grow with the labels of what a client calls a host.
        for length in self._wildcard_lengths:
            paths = self._wildcards.get(host[-length:])
            if paths is not None and (route := paths.match(path)) is not None:
                return route
        return self._any.match(path)


def _host(authority: bytes) -> bytes:
    """The host of host[:port], lower-case, without the root's dot."""
    host = authority.lower()
    if host[-1:] != b"]":
        name, colon, port = host.rpartition(b":")
        if colon and (port.isdigit() or not port):
            host = name
    return host.removesuffix(b".")
