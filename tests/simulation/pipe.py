"""A pipe of the simulated kernel, in place of `proxy.transport.pipe`."""

import errno
import os
from typing import Final

from tests.simulation.kernel import Endpoint
from tests.simulation.transport import KernelView

_MOST_BYTES: Final = 262_144


class Duplicate:
    """Another descriptor of a connection, as a loop watches it: the connection stays open while it does."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        endpoint.duplicates += 1

    @property
    def is_readable(self) -> bool:
        return self.endpoint.is_readable

    @property
    def is_writable(self) -> bool:
        return self.endpoint.is_writable

    def close(self) -> None:
        self.endpoint.duplicates -= 1
        if self.endpoint.is_close_due:
            self.endpoint.close()


class SimulatedPipe:
    """The pipe. Sometimes there are no descriptors left for one."""

    def __init__(self, source: KernelView, sink: KernelView) -> None:
        self._scale = source.endpoint.network.scale
        if source.endpoint.dice.random() < 0.05:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        self.source, self.sink = Duplicate(source.endpoint), Duplicate(sink.endpoint)
        self._held = bytearray()

    def fill(self, most: int) -> int:
        self._held += self.source.endpoint.recv(min(most, _MOST_BYTES // self._scale))
        return len(self._held)

    @property
    def held_bytes(self) -> int:
        return len(self._held)

    def empty(self) -> None:
        while self._held:
            del self._held[: self.sink.endpoint.send(self._held)]

    def close(self) -> bytes:
        self.source.close()
        self.sink.close()
        return bytes(self._held)
