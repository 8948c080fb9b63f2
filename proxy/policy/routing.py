"""Which route serves a request: by host, exact or wildcard, and by path prefix. The longest match wins.

Paths are compared in one spelling (`normalised_path`), because services normalise before they act: else `/x/../api`
would reach what a route guards at `/api`, past that route. The upstream is sent the client's bytes.
"""

from collections.abc import Iterable

from proxy.policy.paths import normalised_path
from proxy.policy.route import Route


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
