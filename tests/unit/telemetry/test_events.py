"""Who is told what, in order; where nobody listens nothing is called; a listener that raises costs nobody else anything."""

import pytest

from proxy.telemetry.events import Sink, join
from proxy.telemetry.record import ExchangeRecord

RECORD = ExchangeRecord("192.0.2.1", 0.0, "id-1")


def no_defect(defect: BaseException, where: str) -> None:
    raise AssertionError(where) from defect


def test_where_nobody_listens_there_is_nothing_to_call() -> None:
    assert join([], no_defect) == join([Sink(), Sink()], no_defect) == Sink(began=None, responded=None, ended=None)


def test_one_listener_is_told_of_what_it_wants_to_know() -> None:
    told: list[ExchangeRecord] = []
    joined = join([Sink(), Sink(ended=told.append), Sink()], no_defect)
    assert (joined.began, joined.responded) == (None, None)
    assert joined.ended is not None
    joined.ended(RECORD)
    assert told == [RECORD]


def test_one_that_reports_its_defects_itself_is_called_without_a_detour() -> None:
    told: list[ExchangeRecord] = []
    listener = told.append
    assert join([Sink(), Sink(ended=listener, reports_defects=True)], no_defect).ended is listener


def test_several_are_told_in_order() -> None:
    told: list[str] = []
    first = Sink(began=lambda _: told.append("first began"), ended=lambda _: told.append("first ended"))
    second = Sink(responded=lambda _: told.append("second responded"), ended=lambda _: told.append("second ended"))
    joined = join([first, second], no_defect)
    for tell in (joined.began, joined.responded, joined.ended):
        assert tell is not None
        tell(RECORD)
    assert told == ["first began", "second responded", "first ended", "second ended"]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_listener_that_raises_is_reported_and_the_others_are_told(place: int) -> None:
    told: list[str] = []
    defects: list[tuple[str, str]] = []

    def fail(record: ExchangeRecord) -> None:
        raise ZeroDivisionError("mine")

    sinks = [Sink(ended=lambda _: told.append("first")), Sink(ended=lambda _: told.append("second"))]
    sinks.insert(place, Sink(ended=fail))
    joined = join(sinks, lambda defect, where: defects.append((repr(defect), where)))
    assert joined.ended is not None
    joined.ended(RECORD)
    assert told == ["first", "second"]
    assert defects == [("ZeroDivisionError('mine')", "id-1")]
