"""A world that breaks a law, made as small as it can be and still break it: fewer clients, requests, bytes, features."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.simulation.beneath import simulated_kernel
from tests.simulation.scenario import FEATURES, Reduction, Scenario
from tests.simulation.search import judged


def kind(law: str) -> str:
    """What is broken, whoever it happened to."""
    return re.sub(r"0x[0-9a-f]+|#?[0-9]+|b?'[^']*'", "", law)


def shrunk(seed: int, say: Callable[[str], None] = lambda _: None) -> tuple[Reduction, str]:
    """What may be left out of this world, and the law that it breaks all the same. Raises ValueError where it breaks
    none."""
    with simulated_kernel():
        law = _broken(seed, Reduction(), None)
        if law is None:
            raise ValueError(f"seed {seed} breaks no law")
        best, wanted, goes_on = Reduction(), kind(law), True
        while goes_on:
            goes_on = False
            for smaller in _smaller(seed, best):
                found = _broken(seed, smaller, wanted)
                if found is not None:
                    best, law, goes_on = smaller, found, True
                    say(f"{Scenario(seed, best)}, {best}")
                    break  # what is proposed next depends on what is left
        return best, law


def _broken(seed: int, reduction: Reduction, wanted: str | None) -> str | None:
    laws = judged(seed, reduction)[1]
    return next((law for law in laws if wanted is None or kind(law) == wanted), None)


def _smaller(seed: int, now: Reduction) -> Iterator[Reduction]:
    """Worlds that are smaller by one step, the largest steps first."""
    scenario = Scenario(seed, now)
    clients = scenario.clients
    count = len(clients)
    while count > 1:
        count = (count + 1) // 2
        for start in range(0, len(clients), count):
            some = frozenset(clients[start : start + count])
            if len(some) < len(clients):
                yield replace(now, clients=now.clients | some)
        if count == 1:
            break
    for feature in FEATURES:
        if scenario.has(feature):
            yield replace(now, features=now.features | {feature})
    for client in clients:
        for number in range(100 * client, 100 * client + max(scenario.asks)):
            if number not in now.asks:
                yield replace(now, asks=now.asks | {number})
    if scenario.services > 1:
        yield replace(now, most_services=scenario.services - 1)
    for most in (0, 10, 100, 1_000, 10_000):
        if most < now.most_bytes:
            yield replace(now, most_bytes=most)
    if not now.calm:
        yield replace(now, calm=True)
