"""The control process of a simulated instance, and what it and workers tell each other: in order, some time later. A full
queue takes nothing for a while; the process may die, and another one may come in its place."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from proxy.config.model import Config
from proxy.process.control import Control
from proxy.telemetry.error_log import ErrorLog
from proxy.upstream.health.kept import Kept
from proxy.upstream.resolver import Lookup
from tests.simulation.dice import Dice
from tests.simulation.kernel import Network

_FULL: float = 0.03  # of what is sent
_FULL_FOR_S: float = 0.3


class _Queue:
    """One direction of a link."""

    def __init__(self, network: Network, dice: Dice, deliver: Callable[[bytes], None]) -> None:
        self._network = network
        self._dice = dice
        self._deliver = deliver
        self._waiting: deque[bytes] = deque()
        self.is_open = True

    def send(self, message: bytes) -> bool:
        """Whether it was taken."""
        if not self.is_open or self._dice.random() < _FULL:
            return False
        self._waiting.append(message)
        self._network.soon(self._next, self._dice)
        return True

    def _next(self) -> None:
        if self.is_open:
            self._deliver(self._waiting.popleft())


class SimulatedLink:
    """A worker's end: see `proxy.process.link.Link`."""

    def __init__(self) -> None:
        self.on_message: Callable[[bytes], None] = lambda _: None
        self.on_joined: Callable[[], None] = lambda: None
        self.up: _Queue | None = None
        self.down: _Queue | None = None

    def send(self, message: bytes) -> bool:
        return self.up is not None and self.up.send(message)

    def close(self) -> None:
        """The worker, or the control process, has ended."""
        for queue in (self.up, self.down):
            if queue is not None:
                queue.is_open = False
        self.up = self.down = None


class _Hub:
    """The control process's ends: see `proxy.process.link.Hub`."""

    def __init__(self, network: Network, dice: Dice) -> None:
        self.on_message: Callable[[int, bytes], None] = lambda seat, message: None
        self.on_joined: Callable[[int], None] = lambda seat: None
        self.on_writable: Callable[[int], None] = lambda seat: None
        self.on_left: Callable[[int], None] = lambda seat: None
        self._network = network
        self._dice = dice
        self.links: dict[int, SimulatedLink] = {}

    @property
    def seats(self) -> list[int]:
        return list(self.links)

    def connect(self, seat: int, link: SimulatedLink) -> None:
        self.links[seat] = link
        link.up = _Queue(self._network, self._dice, lambda message: self.on_message(seat, message))
        link.down = _Queue(self._network, self._dice, lambda message: link.on_message(message))
        link.on_joined()
        self.on_joined(seat)

    def send(self, seat: int, message: bytes) -> bool:
        link = self.links.get(seat)
        if link is None or link.down is None:
            return False
        if link.down.send(message):
            return True
        self._network.at(_FULL_FOR_S, lambda: self.on_writable(seat) if seat in self.links else None)
        return False

    def broadcast(self, message: bytes) -> None:
        for seat in self.seats:
            self.send(seat, message)

    def leave(self, seat: int) -> None:
        """Its worker has ended."""
        if seat in self.links:
            self.links.pop(seat).close()
            self.on_left(seat)

    def close(self) -> None:
        """The process ends."""
        for link in self.links.values():
            link.close()
        self.links.clear()


class SimulatedControl:
    """The control processes of an instance, one after the other."""

    def __init__(self, network: Network, config: Config, dice: Dice, errors: ErrorLog, lookup: Lookup) -> None:
        self._network, self._config, self._dice, self._errors, self._lookup = network, config, dice, errors, lookup
        self.kept = Kept()
        self._links: list[SimulatedLink] = []
        self._hub: _Hub | None = None
        self._control: Control | None = None
        self._running: asyncio.Task[None] | None = None
        self._is_over = False

    async def live(self) -> None:
        """Begin, and perhaps die, and perhaps begin again."""
        await self._begin()
        if self._dice.random() < 0.4:
            await asyncio.sleep(self._dice.random() * 4.0)
            self._network.say("the control process dies")
            await self._end()
            if self._dice.random() < 0.6:
                await asyncio.sleep(self._dice.choice((0.5, 4.0, 8.0)))
                if not self._is_over:
                    self._network.say("another control process begins")
                    await self._begin()

    def new_link(self) -> SimulatedLink:
        """For a worker that is about to begin."""
        link = SimulatedLink()
        self._links.append(link)
        return link

    def join(self, link: SimulatedLink) -> None:
        """Its worker serves."""
        if self._hub is not None:
            self._hub.connect(self._links.index(link), link)

    def leave(self, link: SimulatedLink) -> None:
        """Its worker has ended."""
        seat = self._links.index(link)
        if self._hub is not None:
            self._hub.leave(seat)
        self._links[seat] = SimulatedLink()  # nobody's: no successor joins it

    async def close(self) -> None:
        """The instance ends."""
        self._is_over = True
        await self._end()

    async def _begin(self) -> None:
        hub = self._hub = _Hub(self._network, self._dice)
        self._control = Control(
            self._config, [], cast("Any", hub), self._errors, kept=self.kept, lookup=self._lookup
        )  # fmt: skip
        await self._control.start()
        self._running = asyncio.get_running_loop().create_task(self._control.run_until_ended())
        for seat, link in enumerate(self._links):
            hub.connect(seat, link)

    async def _end(self) -> None:
        if self._control is None or self._hub is None or self._running is None:
            return
        control, self._control = self._control, None
        self._hub.close()
        self._hub = None
        control.end()
        await self._running
