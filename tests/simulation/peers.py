"""How a simulated peer is written: a generator over its endpoint, resumed when what it waits for has happened."""

from collections.abc import Callable, Generator
from typing import Protocol, TypeAlias

from tests.simulation.kernel import Endpoint, Network

#: What a script waits for: seconds, or a question that is asked again whenever its endpoint has changed.
Wait: TypeAlias = float | Callable[[], bool]
Script: TypeAlias = Generator[Wait, None, None]


class Channel(Protocol):
    """What a script reads and writes on: an `Endpoint`, or a `Secured` one."""

    says_goodbye: bool  # so that its end is clean

    def send(self, data: bytes) -> int: ...
    def recv(self, count: int) -> bytes: ...
    def shut_down_writing(self) -> None: ...
    def close(self) -> None: ...
    def reset(self) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def on_change(self) -> Callable[[], None] | None: ...
    @property
    def arrived(self) -> int: ...
    @property
    def ended_cleanly(self) -> bool: ...
    @property
    def is_dead(self) -> bool: ...
    @property
    def is_readable(self) -> bool: ...
    @property
    def is_writable(self) -> bool: ...


class Peer:
    """Runs one script."""

    def __init__(self, network: Network, endpoint: Endpoint, script: Script) -> None:
        self._network = network
        self._dice = endpoint.dice
        self._script = script
        self._question: Callable[[], bool] | None = None
        self.ended = False
        before = endpoint.on_change

        def changed() -> None:
            if before is not None:
                before()
            self.look()

        endpoint.on_change = changed
        network.soon(self._resume, self._dice)

    def look(self) -> None:
        """Something has changed: go on if that was waited for."""
        if self._question is not None and self._question():
            self._question = None
            self._network.soon(self._resume, self._dice)

    def _resume(self) -> None:
        try:
            wanted = next(self._script)
        except StopIteration:
            self.ended = True
            return
        if callable(wanted):
            self._question = wanted
            self.look()
        else:
            self._network.at(wanted, self._resume)


def write(endpoint: Channel, data: bytes, pieces: int, pause: Callable[[], float]) -> Script:
    """Send it, in about so many pieces. Raises OSError where the connection has broken."""
    size = max(1, len(data) // pieces)
    at = 0
    while at < len(data):
        end = len(data) if len(data) - at < 2 * size else at + size
        while at < end:
            try:
                at += endpoint.send(data[at:end])
            except BlockingIOError:
                yield lambda: endpoint.is_writable
        if at < len(data) and (seconds := pause()):
            yield seconds
