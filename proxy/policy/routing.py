"""Which route serves a request: by host, exact or wildcard, by path prefix, and by its further conditions.

Of the routes whose conditions a request meets, that of the best host serves it, then that of the longest path, then
that with the most conditions. Paths are compared in one spelling (`normalised_path`), because services normalise before
they act: else `/x/../api` would reach what a route guards at `/api`, past that route.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from proxy.http1.message import RequestHead
from proxy.http1.target import host_of
from proxy.policy.conditions import PathRoutes, RequestView, condition_count, kind_of
from proxy.policy.paths import normalised_path
from proxy.policy.route import Route

#: Where prefixes have more lengths than this, only those at which a segment of the path ends are looked up.
_FEW_LENGTHS: Final = 8


class _Paths:
    """The routes of one host pattern, by path prefix."""

    def __init__(self) -> None:
        self._by_prefix: dict[bytes, Route | PathRoutes] = {}
        self._lengths: list[int] = []  # of prefixes, each once, longest first
        self._many: frozenset[int] | None = None  # the same, where they are more than a few

    def add(self, route: Route) -> None:
        prefix = normalised_path(route.path)
        there = self._by_prefix.get(prefix)
        if there is None and not condition_count(kind_of(route)):
            self._by_prefix[prefix] = route  # no conditions: found without another object
        else:
            place = there if isinstance(there, PathRoutes) else PathRoutes()
            if isinstance(there, Route):
                place.add(there)
            place.add(route)
            self._by_prefix[prefix] = place
        lengths = {len(prefix) for prefix in self._by_prefix}
        self._lengths = sorted(lengths, reverse=True)
        self._many = frozenset(lengths) if len(lengths) > _FEW_LENGTHS else None

    def _ends(self, path: bytes, many: frozenset[int]) -> list[int]:
        """Where a prefix can end in this path, longest first."""
        ends = [len(path)] if len(path) in many else []
        slash = path.rfind(b"/", 0, self._lengths[0] + 1)
        while slash >= 0:
            if slash + 1 in many:
                ends.append(slash + 1)
            if slash in many:
                ends.append(slash)
            slash = path.rfind(b"/", 0, slash)
        return ends

    def match(self, path: bytes, request: RequestView | None) -> Route | None:
        # Tries each distinct prefix length once, so the cost does not grow with the number of routes.
        many = self._many
        for length in self._lengths if many is None else self._ends(path, many):
            prefix = path[:length]
            found = self._by_prefix.get(prefix)
            if found is not None and (prefix[-1:] == b"/" or path[length : length + 1] in (b"", b"/")):
                if isinstance(found, Route):
                    return found
                if request is not None and (route := found.find(request)) is not None:
                    return route
        return None

    def methods(self, path: bytes, request: RequestView) -> Iterator[bytes]:
        """The methods with which a request would have found a route."""
        many = self._many
        for length in self._lengths if many is None else self._ends(path, many):
            prefix = path[:length]
            found = self._by_prefix.get(prefix)
            if isinstance(found, PathRoutes) and (prefix[-1:] == b"/" or path[length : length + 1] in (b"", b"/")):
                yield from found.methods(request)


class RoutingTable:
    """Routes, compiled for lookup. A prefix ends at a path segment: `/api` serves `/api` and `/api/x`, not `/apix`."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._hosts: dict[bytes, _Paths] = {}
        self._wildcards: dict[bytes, _Paths] = {}
        self._any = _Paths()
        rows = list(routes)
        for route in rows:
            self._paths_of(route.host.lower()).add(route)
        #: Fields, in lower case, on which any route has a condition.
        self._names = frozenset(name for route in rows for name, _ in route.headers)
        self._asks = any(condition_count(kind_of(route)) for route in rows)
        takes_all = len(rows) == 1 and rows[0].host in (b"", b"*") and rows[0].path == b"/" and not self._asks
        self._catch_all = rows[0] if takes_all else None
        self._only_any = not self._hosts and not self._wildcards
        self._wildcard_lengths = sorted({len(suffix) for suffix in self._wildcards}, reverse=True)

    def _paths_of(self, host: bytes) -> _Paths:
        if not host or host == b"*":
            return self._any
        if host.startswith(b"*."):
            return self._wildcards.setdefault(host[1:], _Paths())
        return self._hosts.setdefault(host, _Paths())

    def match(
        self, authority: bytes, target: bytes, head: RequestHead | None = None, listener: str = ""
    ) -> Route | None:
        """The route for a request's authority (port ignored) and its target in origin-form, or None.

        An exact host goes before a wildcard, a longer wildcard before a shorter, and any host comes last. Without a
        `head`, only routes without further conditions are found.
        """
        if self._catch_all is not None:
            return self._catch_all
        request = RequestView(head, listener, self._names) if self._asks and head is not None else None
        path = _path_of(target)
        if self._only_any:
            return self._any.match(path, request)
        host = host_of(authority)
        paths = self._hosts.get(host)
        if paths is not None and (route := paths.match(path, request)) is not None:
            return route
        # Each distinct length once, so that the cost does not grow with the labels of what a client calls a host.
        for length in self._wildcard_lengths:
            paths = self._wildcards.get(host[-length:])
            if paths is not None and (route := paths.match(path, request)) is not None:
                return route
        return self._any.match(path, request)

    def methods(self, authority: bytes, target: bytes, head: RequestHead, listener: str = "") -> list[bytes]:
        """Of a request that matches no route: the methods with which it would, in order of the alphabet."""
        if not self._asks:
            return []
        request, path, host = RequestView(head, listener, self._names), _path_of(target), host_of(authority)
        candidates = [self._hosts.get(host), *(self._wildcards.get(host[-n:]) for n in self._wildcard_lengths)]
        return sorted({
            method for paths in (*candidates, self._any) if paths is not None for method in paths.methods(path, request)
        })  # fmt: skip


def _path_of(target: bytes) -> bytes:
    path = target.partition(b"?")[0]
    # OPTIONS * asks about the server: served by the route for its root.
    return b"/" if path == b"*" else normalised_path(path)
