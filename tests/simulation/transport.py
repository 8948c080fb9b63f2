"""A stream transport over a simulated endpoint, as asyncio has it, and as uvloop has it.

They differ in when bytes leave: asyncio sends within `write`, uvloop at the end of the loop's turn, unless more is
queued than the high-water mark.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.kernel import Endpoint

if TYPE_CHECKING:
    from tests.simulation.loop import SimulatedLoop

_READ_BYTES: Final = 262_144


class Flavour(Enum):
    """Whose transports these behave like."""

    ASYNCIO = auto()
    UVLOOP = auto()


class KernelView:
    """What `transport.sockets` asks of a socket."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    def setsockopt(self, *_: object) -> None:
        pass

    def fileno(self) -> int:
        return -1


class SimulatedTransport(asyncio.Transport):
    """One connection of the proxy's."""

    def __init__(self, loop: "SimulatedLoop", endpoint: Endpoint, protocol: asyncio.Protocol, *, server: bool) -> None:
        super().__init__()
        self._loop = loop
        self.endpoint = endpoint
        self.number = loop.next_number()
        self._protocol: asyncio.Protocol | asyncio.BufferedProtocol = protocol
        peer, own = ("192.0.2.9", 4242), ("192.0.2.1", 80)
        self._info = {"peername": peer if server else own, "sockname": own, "socket": KernelView(endpoint)}
        self._is_uvloop = loop.flavour is Flavour.UVLOOP
        self._buffer = bytearray()
        self._high, self._low = 65_536 // loop.network.scale, 16_384 // loop.network.scale
        self._reads = False
        self._paused = False
        self._closing = False
        self._lost = False
        self._eof_wanted = False
        self._protocol_paused = False
        self._write_queued = False
        endpoint.on_change = self.look

    def look(self) -> None:
        """Something has changed: the loop is to ask what is ready."""
        self._loop.changed[self] = None

    def begin(self) -> None:
        """Read from now on."""
        if not self._closing:
            self._reads = True
            self.look()

    # -- readiness -----------------------------------------------------------------------------------------------

    def add_ready(self, ready: list[Callable[[], None]]) -> bool:
        """Add what the loop would call now; whether there was anything."""
        if self._lost:
            return False
        count = len(ready)
        if self._reads and not self._paused and not self._closing and self.endpoint.is_readable:
            ready.append(self._read)
        if self._buffer and not self._write_queued and self.endpoint.is_writable:
            ready.append(self.flush)
        return len(ready) > count

    def _read(self) -> None:
        if self._lost or self._closing or self._paused or not self._reads:
            return
        buffered = self._protocol if isinstance(self._protocol, asyncio.BufferedProtocol) else None
        buffer = memoryview(buffered.get_buffer(-1)) if buffered is not None else None
        try:
            data = self.endpoint.recv(_READ_BYTES if buffer is None else len(buffer))
        except BlockingIOError:
            return
        except OSError as exc:
            self._fatal(exc)
            return
        if data:
            if isinstance(self._protocol, asyncio.Protocol):
                self._protocol.data_received(data)
            elif buffer is not None:
                buffer[: len(data)] = data
                self._protocol.buffer_updated(len(data))
            return
        self._reads = False
        if not self._protocol.eof_received():
            self.close()

    def flush(self) -> None:
        """Give the kernel what it takes."""
        self._write_queued = False
        if self._lost or not self._buffer:
            return
        self.look()
        try:
            count = self.endpoint.send(self._buffer)
        except BlockingIOError:
            return
        except OSError as exc:
            self._buffer.clear()
            self._fatal(exc)
            return
        del self._buffer[:count]
        if self._protocol_paused and len(self._buffer) <= self._low:
            self._protocol_paused = False
            self._protocol.resume_writing()
        if not self._buffer and not self._lost:
            if self._closing:
                self._end(None)
            elif self._eof_wanted:
                self._shut_down_writing()

    # -- what a protocol calls -----------------------------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._info.get(name, default)

    def is_closing(self) -> bool:
        return self._closing

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol | asyncio.BufferedProtocol)
        self._protocol = protocol

    def is_reading(self) -> bool:
        return self._reads and not self._paused

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self.look()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = 65_536 // self._loop.network.scale if high is None else high
        self._low = self._high // 4 if low is None else low

    def get_write_buffer_size(self) -> int:
        return len(self._buffer)

    def write(self, data: Any) -> None:
        if self._eof_wanted:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._lost or self._closing or not data:
            return
        waiting = bool(self._buffer)
        self._buffer += data
        if not self._is_uvloop:
            if not waiting:
                self.flush()
        elif len(self._buffer) > self._high and not waiting:
            self.flush()
        elif not self._write_queued:
            self._write_queued = True
            self._loop.queued_writes.append(self)
        if not self._lost and not self._protocol_paused and len(self._buffer) > self._high:
            self._protocol_paused = True
            self._protocol.pause_writing()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if self._closing or self._eof_wanted:
            return
        self._eof_wanted = True
        if not self._buffer:
            self._shut_down_writing()

    def _shut_down_writing(self) -> None:
        try:
            self.endpoint.shut_down_writing()
        except OSError as exc:
            if not self._is_uvloop:
                raise
            self._fatal(exc)

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._reads = False
        if not self._buffer:
            self._end(None)

    def abort(self) -> None:
        if self._lost:
            return
        self._buffer.clear()
        self._end(None)

    def _fatal(self, exc: OSError) -> None:
        self._buffer.clear()
        self._end(exc)

    def _end(self, exc: Exception | None) -> None:
        if self._lost:
            return
        self._lost = self._closing = True
        self._reads = False
        self._loop.call_soon(self._say_lost, exc)

    def _say_lost(self, exc: Exception | None) -> None:
        try:
            self._protocol.connection_lost(exc)
        finally:
            self.endpoint.close()
            self._loop.transports.remove(self)
