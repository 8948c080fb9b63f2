"""When a configuration is loaded again: by whom it was asked for, and what has changed since."""

from types import SimpleNamespace
from typing import Any

import pytest

from proxy.config.model import Config
from proxy.config.sources import Loaded
from proxy.process.generation import Generation as GenerationOfProcesses
from proxy.process.reload import Generations
from proxy.process.slot import Seats
from proxy.telemetry.error_log import ErrorLog


class Generation:
    """Stands for processes: counts how many generations were started."""

    started = 0

    def __init__(self, number: int, loaded: Loaded, _instance: object) -> None:
        Generation.started += 1
        self.number = number
        self.config = loaded.valid()
        self.file_has_changed = False
        self.has_served = False
        self.serves = False
        self.start_failure: list[str] = []

    def maintain(self) -> None:
        pass

    def due(self, _now: float) -> list[float]:
        return []

    def say_that_the_instance_stops(self) -> None:
        pass


def generations(monkeypatch: pytest.MonkeyPatch, config: Config) -> Generations:
    Generation.started = 0
    monkeypatch.setattr("proxy.process.reload.Generation", Generation)
    listeners = SimpleNamespace(bound=set, close_all_but=lambda _: None)
    instance: Any = SimpleNamespace(
        errors=ErrorLog(),
        tally=SimpleNamespace(serves=lambda _: None, reloaded=lambda _: None),
        listeners=listeners,
        control_listeners=listeners,
    )
    loaded = Loaded(config, [], {}, frozenset(), ())
    return Generations(lambda: loaded, loaded, instance)


ASKED = [
    # who asks, before the reload can begin       generations afterwards
    (["file"],                                    1),
    (["file", "file"],                            1),  # the second change is no request to load the same again
    (["command"],                                 2),
    (["file", "command"],                         2),
    (["command", "file"],                         2),
]  # fmt: skip


@pytest.mark.parametrize(("asking", "started"), ASKED)
def test_a_file_that_changed_without_effect_starts_nothing(
    monkeypatch: pytest.MonkeyPatch, asking: list[str], started: int
) -> None:
    found = generations(monkeypatch, Config())
    for who in asking:
        if who == "command":
            found.reload()
        else:
            found.current.file_has_changed = True
        found.maintain()
    found.current.has_served = True  # until now, none could begin
    found.maintain()
    assert Generation.started == started


def test_a_defect_in_preparing_a_generation_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    found = generations(monkeypatch, Config())
    found.current.has_served = True

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("proxy.process.reload.Generation", fail)
    told = list[tuple[int, list[str]]]()
    found.reload(lambda status, lines: told.append((status, lines)))
    found.maintain()
    said = "the new configuration was refused; generation 1 keeps serving"
    assert told == [(1, ["the configuration could not be prepared", said])]
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_a_reload_that_waits_for_an_address_is_forgotten_when_the_instance_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = generations(monkeypatch, Config())
    found.current.has_served = True
    monkeypatch.setattr(found, "_is_still_held", lambda _: True)
    told = list[tuple[int, list[str]]]()
    found.reload(lambda status, lines: told.append((status, lines)))
    found.maintain()
    assert len(list(found.due(0.0))) == 1, "it looks again soon"
    found.say_that_the_instance_stops()
    assert told == [(1, ["onehop is stopping"])]
    assert list(found.due(0.0)) == [], "else the parent would wake up twenty times a second until it ends"


def test_a_defect_in_preparing_a_generation_keeps_no_seat(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("proxy.process.control.is_needed", lambda _: False)
    seats = Seats()
    instance: Any = SimpleNamespace(
        watches=False,
        errors=ErrorLog(),
        seats=seats,
        tally=SimpleNamespace(prepare=fail),
        listeners=SimpleNamespace(bind=lambda *_: [[], []]),
    )
    with pytest.raises(ZeroDivisionError):
        GenerationOfProcesses(2, Loaded(Config(), [], {}, frozenset(), ()), instance)
    assert seats.take() == 0
