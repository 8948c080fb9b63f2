"""Reading in small pieces, from a peer whose bytes cannot be passed on as fast as it sends them.

uvloop reads up to 250 KiB at once, which a slow receiver would then keep in memory, and has no setting for it. A
`BufferedProtocol` brings its own memory: this one is the same for all connections of a worker, since it is filled and
emptied within one callback of the loop. It costs a copy and more reads, so what flows freely is not read like this.
"""

import asyncio
from typing import Protocol


class Receiver(Protocol):
    """What a loop tells a stream."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> bool | None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


class SmallReads(asyncio.BufferedProtocol):
    """Stands between a loop and a stream, and passes on everything, at most so much as `scratch` holds at once."""

    __slots__ = ("_scratch", "_stream")

    def __init__(self, stream: Receiver, scratch: memoryview) -> None:
        self._stream = stream
        self._scratch = scratch

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._stream.connection_made(transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._scratch

    def buffer_updated(self, nbytes: int) -> None:
        self._stream.data_received(self._scratch[:nbytes].tobytes())

    def eof_received(self) -> bool | None:
        return self._stream.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stream.connection_lost(exc)

    def pause_writing(self) -> None:
        self._stream.pause_writing()

    def resume_writing(self) -> None:
        self._stream.resume_writing()
