"""Message bodies as they arrive, one class per framing: bytes in, body bytes out."""

from typing import Final, TypeAlias

from proxy.http1.fields import Fields
from proxy.http1.parsing.chunked import ChunkedBody


class EmptyBody:
    """The body of a message that has none: complete from the start."""

    __slots__ = ()

    complete: Final = True
    received_bytes: Final = 0
    trailers: Final[Fields] = []  # only a chunked body has any
    left_over: Final = b""

    def receive(self, data: bytes) -> list[bytes]:
        """Never called: the body is complete."""
        raise AssertionError("bytes for a body that has none")


class CountedBody:
    """A body of a known length, which is not 0: that is an `EmptyBody`."""

    __slots__ = ("_length", "complete", "left_over", "received_bytes")

    trailers: Final[Fields] = []

    def __init__(self, length: int) -> None:
        self._length = length
        self.received_bytes = 0
        self.complete = False
        self.left_over = b""

    def receive(self, data: bytes) -> list[bytes]:
        """Take what arrived, and return the body bytes in it: the same object where all of it is body."""
        received = self.received_bytes + len(data)
        if received >= self._length:
            if received > self._length:
                end = self._length - self.received_bytes
                self.left_over = data[end:]
                data = data[:end]
            received = self._length
            self.complete = True
        self.received_bytes = received
        return [data] if data else []

    @property
    def missing_bytes(self) -> int:
        """How many bytes are still to come."""
        return self._length - self.received_bytes

    def count_only(self, size: int) -> bool:
        """Count `size` bytes that arrived and need no `receive`. Returns False, and counts nothing, where the body ends
        with them or within them."""
        received = self.received_bytes + size
        if received >= self._length:
            return False
        self.received_bytes = received
        return True


class UnboundedBody:
    """A body that ends with the connection: the reader that sees the end sets `complete`."""

    __slots__ = ("complete", "received_bytes")

    trailers: Final[Fields] = []
    left_over: Final = b""

    def __init__(self) -> None:
        self.received_bytes = 0
        self.complete = False

    def receive(self, data: bytes) -> list[bytes]:
        """All of it is body."""
        self.received_bytes += len(data)
        return [data] if data else []

    def count_only(self, size: int) -> bool:
        """Count `size` bytes that arrived and need no `receive`. Returns True: the body ends with none of them."""
        self.received_bytes += size
        return True


Body: TypeAlias = EmptyBody | CountedBody | ChunkedBody | UnboundedBody

EMPTY_BODY: Final = EmptyBody()
