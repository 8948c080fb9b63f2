"""Who is told what: one sink is called itself, several in order, and where nobody listens nothing is called."""

from proxy.telemetry.events import Sink, join
from proxy.telemetry.record import ExchangeRecord

RECORD = ExchangeRecord("192.0.2.1", 0.0)


def test_where_nobody_listens_there_is_nothing_to_call() -> None:
    assert join([]) == join([Sink(), Sink()]) == Sink(began=None, responded=None, ended=None)


def test_one_listener_is_called_itself() -> None:
    def listener(record: ExchangeRecord) -> None:
        raise AssertionError

    joined = join([Sink(), Sink(ended=listener), Sink()])
    assert (joined.began, joined.responded, joined.ended) == (None, None, listener)


def test_several_are_told_in_order() -> None:
    told: list[str] = []
    first = Sink(began=lambda _: told.append("first began"), ended=lambda _: told.append("first ended"))
    second = Sink(responded=lambda _: told.append("second responded"), ended=lambda _: told.append("second ended"))
    joined = join([first, second])
    for tell in (joined.began, joined.responded, joined.ended):
        assert tell is not None
        tell(RECORD)
    assert told == ["first began", "second responded", "first ended", "second ended"]
