"""What is told of an exchange while it happens: its head was read, its response began, it ended.

A listener is a sink: the access log, and the counters. An exchange calls what the sinks of its worker have been joined
to; where nobody listens to an event, nothing is called.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from proxy.telemetry.record import ExchangeRecord

Tell: TypeAlias = Callable[[ExchangeRecord], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """Who listens, and to what; None is no interest. What it is told of, it must not change, await, or hold up."""

    began: Tell | None = None  # the request's head was read; what its peer may say of the client is known
    responded: Tell | None = None  # the head of the final response, or the 101, was written to the client
    ended: Tell | None = None  # nothing more comes: also of requests that were refused before they began
    mirrored: Tell | None = None  # a copy of a request has ended: a record of its own, which is no client's exchange
    reports_defects: bool = False  # by itself: being told of an exchange's beginning, response or end, it never raises


def join(sinks: Sequence[Sink], report_defect: Callable[[BaseException, str], None]) -> Sink:
    """One sink that tells all of them, in order. One that raises is reported, and costs neither the others nor the
    exchange anything."""
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
            last(record)  # mostly the only one: no loop for it
        except Exception as exc:
            report_defect(exc, record.request_id)

    return tell_all
