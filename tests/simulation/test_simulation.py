"""Some hundred worlds, and old faults put back: the laws hold, and they find what breaks them."""

from unittest import mock

import pytest

from proxy.downstream.connection import ClientConnection
from proxy.exchange.exchange import Exchange
from proxy.transport.deadlines import Deadlines
from tests.simulation.beneath import simulated_kernel
from tests.simulation.reintroduced import FAULTS
from tests.simulation.scenario import Reduction, Scenario
from tests.simulation.search import judged, look_at
from tests.simulation.shrink import kind, shrunk
from tests.simulation.trace import Trace
from tests.simulation.world import World

pytestmark = pytest.mark.timeout(600)  # work, not waiting: a loaded machine takes its time
_WORLDS = 100
_MOST_WORLDS_TO_A_FIND = 4_000


def test_every_law_holds_in_every_world() -> None:
    found = look_at(range(1, _WORLDS + 1), notes_states=False)
    assert not found.broken, "make simulate ARGS='--seed N' replays"


@pytest.mark.interpreted
@pytest.mark.parametrize("place", [(ClientConnection, "_next_request"), (Exchange, "_forward"), (Deadlines, "_sweep")])
def test_a_defect_breaks_a_law_wherever_it_is(place: tuple[type, str]) -> None:
    with mock.patch.object(*place, side_effect=LookupError), simulated_kernel():
        assert any("LookupError" in law for law in judged(2)[1])


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_that_is_put_back_is_found(name: str) -> None:
    with FAULTS[name](), simulated_kernel():
        assert any(judged(seed)[1] for seed in range(1, _MOST_WORLDS_TO_A_FIND))


def lines_of(seed: int, reduction: Reduction) -> int:
    lines: list[str] = []
    trace = Trace(lines.append)
    World(seed, trace, reduction).run()
    trace.flush()
    return len(lines)


def test_a_world_that_breaks_a_law_is_made_smaller() -> None:
    with FAULTS["a cut response is thrown away"](), simulated_kernel():
        seed = next(seed for seed in range(1, 2_000) if judged(seed)[1] and 2 < len(Scenario(seed).clients) < 9)
        before = judged(seed)[1]
        reduction, law = shrunk(seed)
        world, after = judged(seed, reduction)
        assert kind(law) in map(kind, before)
        assert law in after
        assert len(world.clients) < len(Scenario(seed).clients)
        assert lines_of(seed, reduction) < lines_of(seed, Reduction()) / 2


def test_pieces_that_follow_each_other_are_one_line_of_a_trace() -> None:
    lines: list[str] = []
    trace = Trace(lines.append)
    for line in (
        "    0.1000  a → b: 7 bytes",
        "    0.2000  a → b: 3 bytes",
        "    0.2000  b → a: 1 bytes",
        "    0.3000  a: close",
    ):
        trace(line)
    assert lines == [
        "    0.1000  a → b: 10 bytes in 2 pieces, until 0.2000",
        "    0.2000  b → a: 1 bytes",
        "    0.3000  a: close",
    ]


def test_a_seed_repeats_its_world() -> None:
    def seen(seed: int) -> list[tuple[object, ...]]:
        world, _ = judged(seed)
        return [(r.target, r.status, r.error, r.response_bytes) for r in world.records]

    assert [seen(seed) for seed in range(1, 15)] == [seen(seed) for seed in range(1, 15)]
