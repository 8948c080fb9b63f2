"""Some hundred worlds, and old faults put back: the laws hold, and they find what breaks them."""

import pytest

from tests.simulation.beneath import simulated_kernel
from tests.simulation.reintroduced import FAULTS
from tests.simulation.search import judged, look_at

pytestmark = pytest.mark.timeout(600)  # work, not waiting: a loaded machine takes its time
_WORLDS = 200
_MOST_WORLDS_TO_A_FIND = 4_000


def test_every_law_holds_in_every_world() -> None:
    found = look_at(range(1, _WORLDS + 1), notes_states=False)
    assert not found.broken, "make simulate ARGS='--seed N' replays"


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_that_is_put_back_is_found(name: str) -> None:
    with FAULTS[name](), simulated_kernel():
        assert any(judged(seed)[1] for seed in range(1, _MOST_WORLDS_TO_A_FIND))


def test_a_seed_repeats_its_world() -> None:
    def seen(seed: int) -> list[tuple[object, ...]]:
        world, _ = judged(seed)
        return [(r.target, r.status, r.error, r.response_bytes) for r in world.records]

    assert [seen(seed) for seed in range(1, 15)] == [seen(seed) for seed in range(1, 15)]
