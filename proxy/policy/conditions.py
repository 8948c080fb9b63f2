"""The conditions of a route besides host and path: methods, listeners, fields.

The routes of one host and path are grouped by the kinds of their conditions. Each group is one look-up, so that a
thousand routes that differ by a field's value cost as much as one. Where there are many groups, only those whose rarest
field the request has are tried, so that a thousand routes with a field each cost no more either.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final

from proxy.http1.message import RequestHead
from proxy.policy.route import Route

#: The kinds of a route's conditions: names of fields whose values are compared, names of fields that must be there, and
#: whether there are conditions on the method and on the listener.
Kind = tuple[tuple[bytes, ...], tuple[bytes, ...], bool, bool]

_FEW: Final = 8  # groups: trying all of them costs less than finding out which


class RequestView:
    """A request as conditions see it. Its fields are searched once, and only where a condition asks for one."""

    __slots__ = ("_head", "_names", "_values", "listener")

    def __init__(self, head: RequestHead, listener: str, names: frozenset[bytes]) -> None:
        """`names` are those, in lower case, for which any condition asks."""
        self._head = head
        self._names = names
        self._values: dict[bytes, bytes] | None = None
        self.listener = listener

    @property
    def method(self) -> bytes:
        return self._head.method

    def values(self) -> dict[bytes, bytes]:
        """The values of the fields in question; several lines are one list (RFC 9110 §5.3)."""
        if self._values is None:
            lines: dict[bytes, list[bytes]] = {}
            for name, value in self._head.fields:
                key = name.lower()
                if key in self._names:
                    lines.setdefault(key, []).append(value)
            self._values = {name: b", ".join(values) for name, values in lines.items()}
        return self._values


def kind_of(route: Route) -> Kind:
    """The kinds of a route's conditions."""
    compared = tuple(sorted(name for name, value in route.headers if value))
    present = tuple(sorted(name for name, value in route.headers if not value))
    return compared, present, bool(route.methods), bool(route.listeners)


def condition_count(kind: Kind) -> int:
    """How many conditions a route of this kind has."""
    compared, present, methods, listeners = kind
    return len(compared) + len(present) + methods + listeners


def keys_of(route: Route) -> Iterable[tuple[Kind, str, tuple[bytes, ...], bytes]]:
    """Every combination of values that leads to a route: two routes of one host and path may have none in common."""
    kind = kind_of(route)
    values = dict(route.headers)
    compared = tuple(values[name] for name in kind[0])
    for listener in sorted(route.listeners) or [""]:
        for method in sorted(route.methods) or [b""]:
            yield kind, listener, compared, method


class _Group:
    """Routes with conditions of the same kinds."""

    __slots__ = ("_by_values", "_compared", "_of_listeners", "_of_methods", "_present")

    def __init__(self, kind: Kind) -> None:
        self._compared, self._present, self._of_methods, self._of_listeners = kind
        self._by_values: dict[tuple[str, tuple[bytes, ...]], dict[bytes, Route]] = {}

    def add(self, listener: str, values: tuple[bytes, ...], method: bytes, route: Route) -> None:
        self._by_values.setdefault((listener, values), {})[method] = route

    def find(self, request: RequestView) -> Route | None:
        found = self._ignoring_method(request)
        return None if found is None else found.get(request.method if self._of_methods else b"")

    def methods(self, request: RequestView) -> Iterable[bytes]:
        """The methods with which the request would have matched."""
        return (self._ignoring_method(request) or ()) if self._of_methods else ()

    def _ignoring_method(self, request: RequestView) -> dict[bytes, Route] | None:
        values: tuple[bytes | None, ...] = ()
        if self._compared or self._present:
            given = request.values()
            if not all(name in given for name in self._present):
                return None
            values = tuple(given.get(name) for name in self._compared)
        key = (request.listener if self._of_listeners else "", values)
        return self._by_values.get(key)  # type: ignore[arg-type]  # a value that is missing equals none


class PathRoutes:
    """The routes of one host and path: those with more conditions go first, then those that compare values, then the
    one that stands first in the configuration."""

    __slots__ = ("_by_name", "_groups", "_kinds")

    def __init__(self) -> None:
        self._kinds: dict[Kind, _Group] = {}
        self._groups: list[_Group] = []
        self._by_name: dict[bytes, list[int]] = {}  # places of groups, by their rarest field; b"": they have none

    def add(self, route: Route) -> None:
        for kind, listener, values, method in keys_of(route):
            self._kinds.setdefault(kind, _Group(kind)).add(listener, values, method, route)
        kinds = sorted(self._kinds, key=lambda kind: (condition_count(kind), len(kind[0])), reverse=True)
        self._groups = [self._kinds[kind] for kind in kinds]
        frequency = Counter(name for compared, present, *_ in kinds for name in (*compared, *present))
        self._by_name = {}
        for number, (compared, present, *_) in enumerate(kinds):
            rarest = min((*compared, *present), key=frequency.__getitem__, default=b"")
            self._by_name.setdefault(rarest, []).append(number)

    def _candidates(self, request: RequestView) -> Sequence[_Group]:
        """The groups that may have the request's route, in order."""
        if len(self._groups) <= _FEW:
            return self._groups
        numbers = chain.from_iterable(self._by_name.get(name, ()) for name in (b"", *request.values()))
        return [self._groups[number] for number in sorted(numbers)]

    def find(self, request: RequestView) -> Route | None:
        """The route whose conditions the request meets, if there is one."""
        for group in self._candidates(request):
            if (route := group.find(request)) is not None:
                return route
        return None

    def methods(self, request: RequestView) -> Iterable[bytes]:
        """The methods with which the request would have found a route here."""
        return (method for group in self._candidates(request) for method in group.methods(request))
