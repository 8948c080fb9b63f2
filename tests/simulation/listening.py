"""A listening socket of the simulated kernel."""

import errno
import os
from collections.abc import Callable

from tests.simulation.dice import Dice
from tests.simulation.kernel import Endpoint, Network


class ListeningSocket:
    """A listening socket with its accept queue. `connections` are refused, or ignored, where it says so."""

    def __init__(self, network: Network, name: str) -> None:
        self.network = network
        self.name = name
        self.queue: list[Endpoint] = []
        self.is_closed = False
        self.refuses = False
        self.users = 0  # descriptors of it
        self.on_change: Callable[[], None] | None = None
        self.next_number = 1  # of the next connection

    def connect(self, who: str, dice: Dice | None = None) -> Endpoint:
        """A client's endpoint; the other one stands in the queue. Raises ConnectionRefusedError."""
        if self.is_closed or self.refuses:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        number = self.next_number
        self.next_number += 1
        if dice is None:
            dice = self.network.rng.another()
        ours, theirs = self.network.pair(who, f"{self.name}#{number}", dice)
        self.queue.append(theirs)
        if self.on_change is not None:
            self.on_change()
        return ours

    def close(self) -> None:
        """Close a descriptor of it. At the last one, it stops listening: who waits in the queue is reset."""
        self.users -= 1
        if self.users > 0:
            return
        self.is_closed = True
        for waiting in self.queue:
            waiting.reset()
        self.queue.clear()
