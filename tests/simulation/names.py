"""A name whose addresses change, as the simulated name servers tell them."""

import socket
from typing import Any, Final

from proxy.upstream.resolver import Resolver
from tests.simulation.dice import Dice
from tests.simulation.kernel import Network
from tests.simulation.scenario import MOVING

_SLOW_S: Final = (0.1, 0.4, 3.0, 30.0)


def address_of(number: int) -> str:
    """Where the service of this number listens, besides its port."""
    return f"192.0.2.{20 + number}"


class MovingName:
    """Leads to some of the services, now to these and then to those."""

    def __init__(self, network: Network, services: int, rng: Dice) -> None:
        self._network = network
        self._rng = rng
        self._all = [address_of(number) for number in range(services)]
        self._now = self._all[: rng.choice((1, len(self._all)))]
        for _ in range(rng.choice((0, 1, 3))):
            network.at(rng.random() * 6.0, self._move)

    def lookup(self, _: str) -> list[str]:
        """What the name servers say. Raises OSError."""
        choice = self._rng.random()
        if choice < 0.05:
            raise socket.gaierror(socket.EAI_AGAIN, "no server answers")
        if choice < 0.07:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [] if choice < 0.08 else list(self._now)

    def _move(self) -> None:
        self._rng.shuffle(self._all)
        self._now = self._all[: self._rng.choice((1, 1, 2))]
        self._network.say(f"{MOVING} has {', '.join(self._now)} now")


def start_lookup(resolver: Resolver, host: str) -> Any:
    """In place of `Resolver._start`: there are no threads here."""
    loop: Any = resolver._loop
    network: Network = loop.network
    answer = resolver._answers[host] = loop.create_future()
    found: list[str] | Exception
    try:
        found = list(resolver._lookup(host))
    except OSError as exc:
        found = exc
    delay_s = network.rng.choice(_SLOW_S) if network.rng.random() < 0.1 else network.rng.random() * 0.01
    network.at(delay_s, lambda: None if loop.is_closed() else resolver._finish(host, answer, found))
    return answer
