"""Events of an exchange: its head was read, its response began, it ended.

Sinks listen to them: the access log, the counters, tracing, the inspector. The sinks of a worker are joined into one;
an event that no sink listens to costs nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from proxy.telemetry.record import ExchangeRecord

Tell: TypeAlias = Callable[[ExchangeRecord], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """Callbacks for events; None: not interested. A callback must not change the record, and must not block."""

    began: Tell | None = None  # the request's head was read, and the client is known
    responded: Tell | None = None  # the head of the final response, or the 101, was written to the client
    ended: Tell | None = None  # nothing more comes: also of requests that were refused before they began
    mirrored: Tell | None = None  # a copy of a request has ended; the record is that of the copy
    reports_defects: bool = False  # `began`, `responded` and `ended` report defects themselves, and never raise


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
    *before, last = wanted

    def tell_all(record: ExchangeRecord) -> None:
        for call in before:
            try:
                call(record)
            except Exception as exc:  # a defect of ours
                report_defect(exc, record.request_id)
        try:
            last(record)  # often the only one: spares the loop
        except Exception as exc:
            report_defect(exc, record.request_id)

    return tell_all
