"""The series of metrics and their labels: fixed sets, and names of the configuration. Never values from a client.

A block is the cells of one configured name: a route's, an origin's. Blocks get their places here, and never move.
"""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias

from proxy.telemetry.error_codes import ERROR_CODES

OTHER: Final = "other"  # what is in none of the fixed sets
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", OTHER)
NO_STATUS: Final = "none"  # no final response: a failed attempt, or an exchange without an answer
STATUSES: Final = (
    "101",
    *map(str, (*range(200, 209), 226, *range(300, 309), *range(400, 419), *range(421, 427), 428, 429, 431, 451, 499)),
    *map(str, (*range(500, 509), 510, 511)),
    "2xx", "3xx", "4xx", "5xx",  # all other statuses of a class
    NO_STATUS, OTHER,
)  # fmt: skip
#: Upper bounds in seconds, each included. Above the last: +Inf. Of no declared length: as a tuple of fifteen floats,
#: compiled code would make fifteen objects for each look-up.
BUCKETS: Final[tuple[float, ...]] = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip
DIRECTIONS: Final = ("request", "response")
FROM_REQUEST, FROM_RESPONSE = range(2)
STRIPPED: Final = ("nominated", "hop_by_hop", "untrusted")  # values of `policy.decisions.Outcome`
#: Why a request was sent again: what `retry.on` may name, and an idle connection that closed as it was taken.
RETRY_REASONS: Final = (
    "connect_failure", "reset", "response_timeout", "502", "503", "504", "closed_idle", OTHER,
)  # fmt: skip
RELOADS: Final = ("accepted", "refused")
HANDSHAKES: Final = ("full", "resumed", "failed")  # of TLS with clients
#: The codes of `errors`; a test sees that none is missing.
ERRORS: Final = tuple(ERROR_CODES)


class Kind(IntEnum):  # hashed hundreds of times at each scrape: as a number, not by a method in Python
    """What a block is about. The name of each kind is a `Name`, as below."""

    INSTANCE = 0
    ROUTE = 1
    UPSTREAM = 2
    ORIGIN = 3


Name: TypeAlias = tuple[str, ...]  # of a block: (), (route,), (upstream,), (upstream, origin)
Key: TypeAlias = tuple[Kind, Name]

#: In the instance's block.
(  # STARTED, LOST: exchanges
    STARTED, LOST, REQUEST_BYTES, RESPONSE_BYTES, OPENED, WORKER_RESTARTS, WOULD_REFUSE, SPANS_EXPORTED, SPANS_DROPPED,
    _STRIPPED,
) = range(10)  # fmt: skip
_RELOADS: Final = _STRIPPED + len(DIRECTIONS) * len(STRIPPED)
_HANDSHAKES: Final = _RELOADS + len(RELOADS)
_ERRORS: Final = _HANDSHAKES + len(HANDSHAKES)
#: In a route's block: requests by method and status, then the histogram's buckets.
BUCKETS_START: Final = len(METHODS) * len(STATUSES)
BUCKETS_END: Final = BUCKETS_START + len(BUCKETS) + 1

#: How many counters a block has. In an origin's: attempts on new connections by status, then those on open ones.
COUNTERS: Final[Mapping[Kind, int]] = {
    Kind.INSTANCE: _ERRORS + len(ERRORS),
    Kind.ROUTE: BUCKETS_END,
    Kind.UPSTREAM: len(RETRY_REASONS),
    Kind.ORIGIN: 2 * len(STATUSES),
}

#: The sum of a route's durations is no whole number.
SUMS: Final[Mapping[Kind, int]] = {Kind.INSTANCE: 0, Kind.ROUTE: 1, Kind.UPSTREAM: 0, Kind.ORIGIN: 0}

#: Gauges of a process, in the instance's block, of those who wait for a connection, in an upstream's, and of its
#: connections, in an origin's.
PID, GENERATION, BEAT, LAG, CLIENTS, SINCE = range(6)  # BEAT, SINCE: monotonic time
WAITING: Final = 0
IDLE, ACTIVE = range(2)
CONNECTION_STATES: Final = ("idle", "active")
GAUGES: Final[Mapping[Kind, int]] = {Kind.INSTANCE: 6, Kind.ROUTE: 0, Kind.UPSTREAM: 1, Kind.ORIGIN: 2}

_METHOD: Final = {name.encode(): place for place, name in enumerate(METHODS)}
_STATUS: Final = {name: place for place, name in enumerate(STATUSES)}
_REASON: Final = {name: place for place, name in enumerate(RETRY_REASONS)}
_ERROR: Final = {name: place for place, name in enumerate(ERRORS)}


def method_label(method: bytes) -> str:
    """The method, where it is one of the fixed set."""
    return METHODS[_METHOD.get(method, len(METHODS) - 1)]


def status_label(status: int) -> str:
    """The status, or its class where it is none of the fixed set; `none` for 0."""
    exact = str(status)
    if exact in _STATUS:
        return exact
    return NO_STATUS if status == 0 else f"{exact[0]}xx" if 200 <= status < 600 else OTHER


def request_place(method: bytes, status: int) -> int:
    """The cell of a route's block that counts such requests."""
    return _METHOD.get(method, len(METHODS) - 1) * len(STATUSES) + _STATUS[status_label(status)]


def attempt_place(status: int, *, reused: bool) -> int:
    """The cell of an origin's block that counts such attempts."""
    return (len(STATUSES) if reused else 0) + _STATUS[status_label(status)]


def stripped_place(direction: int, reason: int) -> int:
    """The cell of the instance's block that counts stripped lines, by the places in `DIRECTIONS` and `STRIPPED`."""
    return _STRIPPED + direction * len(STRIPPED) + reason


def retry_place(reason: str) -> int:
    """The cell of an upstream's block that counts such retries."""
    return _REASON.get(reason, len(RETRY_REASONS) - 1)


def reload_place(result: str) -> int:
    """The cell of the instance's block that counts such reloads."""
    return _RELOADS + RELOADS.index(result)


def handshake_place(result: str) -> int:
    """The cell of the instance's block that counts such handshakes."""
    return _HANDSHAKES + HANDSHAKES.index(result)


def error_place(code: str) -> int:
    """The cell of the instance's block that counts exchanges with this error."""
    return _ERRORS + _ERROR.get(code, len(ERRORS) - 1)


class Names(NamedTuple):
    """The names of a configuration. Origins are pairs of an upstream's name and `host:port`."""

    routes: Iterable[str] = ()
    origins: Iterable[tuple[str, str]] = ()

    def keys(self) -> list[Key]:
        """The blocks that they need. Requests without a route are counted under the route ""; origins that are not in
        the parent's configuration, which the demo has, under `other`."""
        keys: list[Key] = [(Kind.INSTANCE, ()), (Kind.ROUTE, ("",))]
        keys += [(Kind.ROUTE, (route,)) for route in self.routes]
        origins = list(self.origins)
        for upstream in dict.fromkeys(upstream for upstream, _ in origins):
            keys += (Kind.UPSTREAM, (upstream,)), (Kind.ORIGIN, (upstream, OTHER))
        keys += [(Kind.ORIGIN, pair) for pair in origins]
        return list(dict.fromkeys(keys))


class BlockPlace(NamedTuple):
    """Where a block is: the number of the memory within a seat, and its first cell."""

    memory: int
    cell: int


class Places:
    """The places of all blocks, also of earlier configurations. None is ever removed.

    `cells` says how many of them the block of each kind has.
    """

    def __init__(self, cells: Mapping[Kind, int]) -> None:
        self.cells = cells
        self.by_key: dict[Key, BlockPlace] = {}
        self.sizes: list[int] = []  # cells of each memory

    def extend(self, keys: Iterable[Key]) -> bool:
        """Give places, in a new memory, to keys that have none; return whether there were any."""
        new = [key for key in keys if key not in self.by_key]
        cell = 0
        for key in new:
            self.by_key[key] = BlockPlace(len(self.sizes), cell)
            cell += self.cells[key[0]]
        if new:
            self.sizes.append(cell)
        return bool(new)
