"""Some hundred worlds, and old faults put back: the laws hold, and they find what breaks them."""

import pytest

from tests.simulation.__main__ import judged
from tests.simulation.reintroduced import FAULTS

_WORLDS = 300
_MOST_WORLDS_TO_A_FIND = 4_000


def test_every_law_holds_in_every_world() -> None:
    broken = {seed: laws for seed in range(1, _WORLDS + 1) if (laws := judged(seed)[1])}
    assert not broken, "make simulate ARGS='--seed N' replays"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_that_is_put_back_is_found(name: str) -> None:
    with FAULTS[name]():
        assert any(judged(seed)[1] for seed in range(1, _MOST_WORLDS_TO_A_FIND))


def test_a_seed_repeats_its_world() -> None:
    def seen(seed: int) -> list[tuple[object, ...]]:
        world, _ = judged(seed)
        return [(r.target, r.status, r.error, r.response_bytes) for r in world.records]

    assert [seen(seed) for seed in range(1, 30)] == [seen(seed) for seed in range(1, 30)]
