"""What outlives processes: for the same origins under another configuration, too, and never in halves."""

import mmap
from typing import Any

import pytest

from proxy.upstream.health.endpoint import State
from proxy.upstream.health.kept import Kept
from proxy.upstream.health.settings import EjectionSettings, HealthCheckSettings
from proxy.upstream.health.state import Endpoints
from proxy.upstream.origin import Candidate, Origin

A, B, C, NAME = (*(Origin(f"10.0.0.{number}", 80) for number in range(1, 4)), Origin("app", 80))
CHECK = HealthCheckSettings(fall=1)


def endpoints(*origins: Origin, check: HealthCheckSettings | None = CHECK, **ejection: Any) -> Endpoints:
    return Endpoints([Candidate(origin) for origin in origins], EjectionSettings(**ejection), check)


def known() -> Endpoints:
    """A is down, B ejected, and the name has two addresses, of which one is down."""
    found = endpoints(A, B, NAME, failures=1)
    found.resolved(2, ["10.1.0.1", "10.1.0.2"], 0.0)
    found.checked(A, "x", 1.0)
    found.request_failed(B, "y", 2.0)
    found.checked(NAME._replace(address="10.1.0.2"), "z", 3.0)
    return found


def states(found: Endpoints) -> dict[str, State]:
    return {str(origin): endpoint.state for origin, endpoint in found.items()}


RESTORED = [
    # with                                          as
    (endpoints(A, B, NAME),                         {"10.0.0.1:80": State.DOWN, "10.0.0.2:80": State.EJECTED,
                                                     "app:80 (10.1.0.1)": State.UP, "app:80 (10.1.0.2)": State.DOWN}),
    (endpoints(C, NAME, A),                         {"10.0.0.3:80": State.UP, "app:80 (10.1.0.1)": State.UP,
                                                     "app:80 (10.1.0.2)": State.DOWN, "10.0.0.1:80": State.DOWN}),
    (endpoints(A, B, check=None),                   {"10.0.0.1:80": State.UP, "10.0.0.2:80": State.EJECTED}),
    (endpoints(A, B, failures=0),                   {"10.0.0.1:80": State.DOWN, "10.0.0.2:80": State.UP}),
]  # fmt: skip


@pytest.mark.parametrize(("found", "expected"), RESTORED)
def test_what_was_known_is_restored_as_far_as_the_configuration_has_it(
    found: Endpoints, expected: dict[str, State]
) -> None:
    kept = Kept()
    kept.write({"a": known()})
    kept.restore({"a": found})
    assert states(found) == expected


def test_all_of_an_address_is_kept() -> None:
    kept, found = Kept(), endpoints(A, B, NAME)
    kept.write({"a": known()})
    kept.restore({"a": found})
    assert found.items() == known().items()


def test_of_another_upstream_nothing_is_restored() -> None:
    kept, found = Kept(), endpoints(A, B)
    kept.write({"a": known()})
    kept.restore({"b": found})
    assert set(states(found).values()) == {State.UP}


def test_where_nothing_was_written_nothing_is_known() -> None:
    found = endpoints(A, B)
    Kept().restore({"a": found})
    assert set(states(found).values()) == {State.UP}


@pytest.mark.parametrize("writes", [2, 3])
def test_a_write_that_was_cut_destroys_nothing(writes: int) -> None:
    kept, found = Kept(), endpoints(A, B)
    for _ in range(writes - 1):
        kept.write({"a": known()})
    kept.write({"a": endpoints(A, B)})
    memory: mmap.mmap = kept._memory
    half = len(memory) // 2
    memory[half * (writes % 2) + 20 : half * (writes % 2) + 30] = b"?" * 10
    kept.restore({"a": found})
    assert states(found)["10.0.0.1:80"] is State.DOWN


def test_what_is_too_much_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.upstream.health.kept._BYTES", 4096)
    kept, found = Kept(), endpoints(A, B)
    kept.write({"a": known()})
    kept.write({"a": endpoints(*(Origin("10.0.9.9", port) for port in range(1, 200)))})
    kept.restore({"a": found})
    assert states(found)["10.0.0.1:80"] is State.DOWN


@pytest.mark.parametrize("too_many", [0, 1])
@pytest.mark.parametrize("writes", [1, 2])
def test_the_most_that_fits_is_kept(monkeypatch: pytest.MonkeyPatch, too_many: int, writes: int) -> None:
    monkeypatch.setattr("proxy.upstream.health.kept._BYTES", 4096)
    kept = Kept()
    for _ in range(writes - 1):
        kept.write({"a": known()})
    before = kept._place(0), kept._place(1)
    text = b"x" * (2048 - 16 + too_many)
    monkeypatch.setattr("proxy.upstream.health.kept._encode", lambda _: text)
    kept.write({"a": known()})
    now = kept._place(0), kept._place(1)
    assert now == before if too_many else (writes, text) in now
