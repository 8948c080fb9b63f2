"""Events of an exchange: its head was read, its response began, it ended.

Sinks listen to them: the access log, the counters, tracing, the inspector. The sinks of a worker are joined into one;
an event that no sink listens to costs nothing.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from proxy.http1.message import Value
from proxy.telemetry.record import ExchangeRecord

Tell: TypeAlias = Callable[[ExchangeRecord], None]


class Sink(Value):
    """Callbacks for events; None: not interested. A callback must not change the record, and must not block."""

    __slots__ = ("began", "ended", "mirrored", "reports_defects", "responded")

    def __init__(
        self, *, began: Tell | None = None, responded: Tell | None = None, ended: Tell | None = None,
        mirrored: Tell | None = None, reports_defects: bool = False,
    ) -> None:  # fmt: skip
        self.began: Final = began  # the request's head was read, and the client is known
        self.responded: Final = responded  # the head of the final response, or the 101, was written to the client
        self.ended: Final = ended  # nothing more comes: also of requests that were refused before they began
        self.mirrored: Final = mirrored  # a copy of a request has ended; the record is that of the copy
        self.reports_defects: Final = reports_defects  # all but `mirrored` report defects themselves, and never raise

    def content(self) -> tuple[object, ...]:
        return self.began, self.responded, self.ended, self.mirrored, self.reports_defects


def join(sinks: Sequence[Sink], report_defect: Callable[[BaseException, str], None]) -> Sink:
    """One sink that calls all of them, in order. An exception is reported, and affects neither the others nor the
    exchange."""
    return Sink(
        began=_join_calls([(sink, sink.began) for sink in sinks], report_defect),
        responded=_join_calls([(sink, sink.responded) for sink in sinks], report_defect),
        ended=_join_calls([(sink, sink.ended) for sink in sinks], report_defect),
        mirrored=_join_calls([(Sink(), sink.mirrored) for sink in sinks], report_defect),
    )


def _join_calls(
    calls: Sequence[tuple[Sink, Tell | None]], report_defect: Callable[[BaseException, str], None]
) -> Tell | None:
    wanted = [call for _, call in calls if call is not None]
    if not wanted:
        return None
    if len(wanted) == 1 and all(sink.reports_defects for sink, call in calls if call is not None):
        return wanted[0]
    return _All(wanted, report_defect).tell


class _All:
    """Makes several calls, one after the other, whatever one of them raises."""

    __slots__ = ("_calls", "_report_defect")

    def __init__(self, calls: list[Tell], report_defect: Callable[[BaseException, str], None]) -> None:
        self._calls = calls
        self._report_defect = report_defect

    def tell(self, record: ExchangeRecord) -> None:
        for call in self._calls:
            try:
                call(record)
            except Exception as exc:  # a defect of ours
                self._report_defect(exc, record.request_id)
