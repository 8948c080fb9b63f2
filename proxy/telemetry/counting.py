"""Counts exchanges in a worker. It is a sink: no other code on the path of a request counts anything.

Counts are complete as soon as an exchange has ended: a crash afterwards loses nothing.
"""

from bisect import bisect_left
from collections.abc import Callable
from threading import Lock
from typing import Final, TypeAlias

from proxy.policy.stripped import (
    USUAL_OPTIONS,
    Stripped,
    loses_no_more_than_connection,
    loses_nothing,
    stripped_from_request,
    stripped_from_response,
)
from proxy.telemetry import series
from proxy.telemetry.counters import Counter, Seat, Seconds
from proxy.telemetry.events import Sink
from proxy.telemetry.record import ExchangeRecord
from proxy.telemetry.series import BUCKETS, METHODS, Kind

#: The counters of exchanges with the same route, method, status, origin and kind of connection: requests, attempts,
#: the histogram's buckets and its sum.
_Alike: TypeAlias = tuple[Counter, Counter | None, list[Counter], Seconds]

#: Methods whose counters are cached: a client may send any other, and would fill the memory.
_METHODS: Final = frozenset(method.encode() for method in METHODS)


class Counting:
    """Writes the counters of one seat."""

    __slots__ = (
        "_alike",
        "_connections",
        "_counters",
        "_drop_underscores",
        "_lock",
        "_report_defect",
        "_request_bytes",
        "_response_bytes",
        "_seat",
        "_sums",
    )

    def __init__(
        self, seat: Seat, report_defect: Callable[[BaseException, str], None], *, drop_underscores: bool
    ) -> None:
        """`report_defect` gets a defect and the id of the request; `drop_underscores`: `underscore_names` is "drop"."""
        self._report_defect = report_defect
        self._seat = seat
        self._drop_underscores = drop_underscores
        self._lock = Lock()
        self._alike: dict[tuple[str, bytes, int, str, str, bool], _Alike] = {}
        self._counters: dict[tuple[int, series.Name, int], Counter] = {}
        self._sums: dict[str, Seconds] = {}
        self._request_bytes = self._counter(Kind.INSTANCE, (), series.REQUEST_BYTES)
        self._response_bytes = self._counter(Kind.INSTANCE, (), series.RESPONSE_BYTES)
        #: Of `Connection` lines alone, which is what most heads lose, if anything: by direction.
        hop_by_hop = series.STRIPPED.index("hop_by_hop")
        self._connections = [
            self._counter(Kind.INSTANCE, (), series.stripped_place(direction, hop_by_hop)) for direction in range(2)
        ]

    @property
    def sink(self) -> Sink:
        """The events that it listens to."""
        return Sink(ended=self._ended, mirrored=self._mirrored, reports_defects=True)

    def opened(self) -> None:
        """A connection to an origin was opened."""
        self._counter(Kind.INSTANCE, (), series.OPENED).add(1)

    def handshake(self, result: str) -> None:
        """A TLS handshake with a client has ended: `full`, `resumed` or `failed`."""
        self._counter(Kind.INSTANCE, (), series.handshake_place(result)).add(1)

    def spans(self, exported: int, dropped: int) -> None:
        """So many spans were exported, or dropped. May be called in any thread."""
        with self._lock:
            self._counter(Kind.INSTANCE, (), series.SPANS_EXPORTED).add(exported)
            self._counter(Kind.INSTANCE, (), series.SPANS_DROPPED).add(dropped)

    def _ended(self, record: ExchangeRecord) -> None:
        try:
            # Written for speed: it runs once per request. Each counter is what `Counter.add` is, without the call.
            key = record.route, record.method, record.status, record.service, record.origin, record.reused
            alike = self._alike.get(key)
            if alike is None:
                alike = self._count_alike(record)
                if record.method in _METHODS:
                    self._alike[key] = alike
            counter, attempts, buckets, sum_s = alike
            counter.cell[0] = counter.value = counter.value + 1
            head, response = record.head, record.response
            if head is not None and record.status != 101:  # a tunnel's time is its users', not the service's
                seconds = record.ended - record.started
                counter = buckets[bisect_left(BUCKETS, seconds)]
                counter.cell[0] = counter.value = counter.value + 1
                sum_s.cell[0] = sum_s.value = sum_s.value + seconds
            if record.response_bytes:
                counter = self._response_bytes
                counter.cell[0] = counter.value = counter.value + record.response_bytes
            if record.request_bytes:
                self._request_bytes.add(record.request_bytes)
            if response is not None and attempts is not None and response.status == record.status:
                attempts.cell[0] = attempts.value = attempts.value + 1
                known = response.known
                if response.options in USUAL_OPTIONS and loses_no_more_than_connection(known):
                    counter = self._connections[1]
                    counter.cell[0] = counter.value = counter.value + len(known[b"connection"])
                elif not loses_nothing(known):
                    self._count_stripped(1, stripped_from_response(response))
            elif record.attempts:
                self._count_attempt(record.service, record.origin, response.status if response else 0, record.reused)
            if attempts is not None and head is not None:
                known = head.known
                # Most have only a Host.
                if len(known) > 1 or b"host" not in known:
                    if head.options in USUAL_OPTIONS and loses_no_more_than_connection(known):
                        counter = self._connections[0]
                        counter.cell[0] = counter.value = counter.value + len(known[b"connection"])
                    elif not loses_nothing(known):
                        self._count_stripped(0, stripped_from_request(head, record.trusted, self._drop_underscores))
            if record.also_stripped is not None:
                for direction, stripped in enumerate(record.also_stripped):
                    self._count_stripped(direction, stripped)
            if record.error:
                self._counter(Kind.INSTANCE, (), series.error_place(record.error)).add(1)
            if record.would_refuse:
                self._counter(Kind.INSTANCE, (), series.WOULD_REFUSE).add(1)
            if record.earlier is not None:
                for earlier in record.earlier:
                    status = int(earlier.result) if earlier.result.isdigit() else 0
                    self._count_attempt(record.service, earlier.origin, status, earlier.reused)
                    self._counter(Kind.UPSTREAM, (record.service,), series.retry_place(earlier.reason)).add(1)
        except Exception as exc:  # a defect in counting must not fail the exchange
            self._report_defect(exc, record.request_id)

    def _mirrored(self, record: ExchangeRecord) -> None:
        """Count a copy as an attempt at its upstream, not as a client's request."""
        self._count_attempt(record.service, record.origin, record.status, record.reused)

    def _count_stripped(self, direction: int, stripped: Stripped) -> None:
        for reason, lines in enumerate(stripped):
            if lines:
                self._counter(Kind.INSTANCE, (), series.stripped_place(direction, reason)).add(lines)

    def _count_attempt(self, service: str, origin: str, status: int, reused: bool) -> None:
        self._counter(Kind.ORIGIN, (service, origin), series.attempt_place(status, reused=reused)).add(1)

    def _count_alike(self, record: ExchangeRecord) -> _Alike:
        route = (record.route,)
        attempts = None
        if record.attempts:
            origin = (record.service, record.origin)
            attempts = self._counter(Kind.ORIGIN, origin, series.attempt_place(record.status, reused=record.reused))
        requests = self._counter(Kind.ROUTE, route, series.request_place(record.method, record.status))
        first = series.BUCKETS_START
        buckets = [self._counter(Kind.ROUTE, route, first + number) for number in range(len(BUCKETS) + 1)]
        return requests, attempts, buckets, self._sum_of(record.route)

    def _sum_of(self, route: str) -> Seconds:
        found = self._sums.get(route)
        if found is None:
            cell = self._seat.seconds(route)
            if cell is None:
                return self._sum_of("")
            found = self._sums[route] = Seconds(cell)
        return found

    def _counter(self, kind: Kind, name: series.Name, place: int) -> Counter:
        """The counter of a cell. There is only one for each: two would overwrite each other."""
        found = self._counters.get((kind.value, name, place))
        if found is None:
            block = self._seat.counters(kind, name)
            if block is None:  # a name that the parent's configuration has not
                elsewhere = (name[0], series.OTHER) if kind is Kind.ORIGIN else ("",) if kind is Kind.ROUTE else ()
                if elsewhere == name or not elsewhere:
                    raise LookupError(f"nothing is counted for {kind.name} {name}")
                return self._counter(kind, elsewhere, place)
            found = self._counters[kind.value, name, place] = Counter(block[place : place + 1])
        return found
