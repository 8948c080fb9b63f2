"""A stream on a transport that only notes what it is told."""

import asyncio

from proxy.transport.deadlines import Deadlines
from proxy.transport.stream import Stream


class NotingTransport(asyncio.Transport):
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self.unsent = 0
        self.closes = False
        self.protocol: asyncio.BaseProtocol | None = None
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def pause_reading(self) -> None:
        self.told.append("pause")

    def resume_reading(self) -> None:
        self.told.append("resume")

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.told.append(type(protocol).__name__)
        self.protocol = protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def close(self) -> None:
        self.told.append("close")

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def abort(self) -> None:
        self.told.append("abort")

    def is_closing(self) -> bool:
        return self.closes

    def can_write_eof(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: None = None) -> "SocketNote | None":
        return SocketNote(self.told) if name == "socket" else default


class SocketNote:
    def __init__(self, told: list[str]) -> None:
        self._told = told

    def fileno(self) -> int:
        return -1

    def setsockopt(self, *_: object) -> None:
        self._told.append("reset on close")


def noting_stream() -> Stream:
    """A stream, connected. Needs a running loop."""
    made = Stream(Deadlines(asyncio.get_running_loop()))
    made.connection_made(NotingTransport())
    return made


def transport_of(stream: Stream) -> NotingTransport:
    assert isinstance(stream.transport, NotingTransport)
    return stream.transport
