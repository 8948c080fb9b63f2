"""What is told of an exchange while it happens: its head was read, its response began, it ended.

A listener is a sink: the access log today. An exchange calls what the sinks of its worker have been joined to: one
sink is called itself, with no loop around it, and where nobody listens to an event nothing is called.
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


def join(sinks: Sequence[Sink]) -> Sink:
    """One sink that tells all of them, in order."""
    return Sink(
        began=_join_calls([sink.began for sink in sinks]),
        responded=_join_calls([sink.responded for sink in sinks]),
        ended=_join_calls([sink.ended for sink in sinks]),
    )


def _join_calls(calls: Sequence[Tell | None]) -> Tell | None:
    wanted = [call for call in calls if call is not None]
    if len(wanted) < 2:
        return wanted[0] if wanted else None

    def tell_all(record: ExchangeRecord) -> None:
        for call in wanted:
            call(record)

    return tell_all
