"""What is written over TLS: the bytes, in their order, in as few records as they need."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Final

import pytest

from proxy.transport.deadlines import NEVER, Deadlines
from proxy.transport.fiber import Fiber
from proxy.transport.tls_stream import TlsStream
from tests.harness.tls import Authority, authority
from tests.unit.transport.noting import NotingTransport

__all__ = ["authority"]

FULL: Final = 16_384  # of plain text in a record, at most
BESIDE_TEXT: Final = 17  # in the same record: its inner type, and the tag


class Pair:
    """Our stream, on a transport that notes, and a client that reads what it noted."""

    def __init__(self, authority: Authority) -> None:
        self._incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._client = authority.client().wrap_bio(self._incoming, outgoing, server_hostname="a.example")
        self._noted = NotingTransport()
        self.stream = TlsStream(Deadlines(asyncio.get_running_loop()))
        self.stream.connection_made(self._noted)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.file("a.example"))
        Fiber(self.stream.handshake(context, NEVER, server_side=True)).resume()
        for call in (self._client.do_handshake, self._client.do_handshake, self._client.read):
            with contextlib.suppress(ssl.SSLWantReadError):
                call()
            self.stream.data_received(outgoing.read())
            self._incoming.write(self._noted.written)
            self._noted.written = b""
        assert self._client.version() == "TLSv1.3"

    def receive_a_broken_record(self) -> None:
        self.stream.data_received(b"\x17\x03\x03\x00\x20" + b"x" * 32)

    def arrived_end(self) -> None:
        """The client has read our close_notify."""
        self._incoming.write(self._noted.written)
        self._noted.written = b""
        assert self._client.read(1) == b""

    @property
    def has_written(self) -> bool:
        return bool(self._noted.written)

    def arrived(self) -> tuple[bytes, list[int]]:
        """The plain text that was written, and how much of it is in each record."""
        written, at, sizes = self._noted.written, 0, []
        while at < len(written):
            size = int.from_bytes(written[at + 3 : at + 5], "big")
            sizes.append(size - BESIDE_TEXT)
            at += 5 + size
        self._incoming.write(written)
        return b"".join(self._client.read(FULL) for _ in sizes), sizes


@pytest.fixture
async def pair(authority: Authority) -> Pair:
    return Pair(authority)


@pytest.mark.parametrize(
    ("buffers", "records"),
    [
        ([0], []),
        ([1], [1]),
        ([5, 0, 6], [11]),
        ([2 * FULL], [FULL, FULL]),
        ([2 * FULL + 1], [FULL, FULL, 1]),
        ([300, 3 * FULL], [FULL, FULL, FULL, 300]),
        ([7, 5 * FULL, 2, 7, 40, 2], [FULL] * 5 + [58]),
        ([1] * 40_000, [FULL, FULL, 40_000 - 2 * FULL]),
    ],
)
def test_small_buffers_share_records_and_large_ones_fill_them(
    pair: Pair, buffers: list[int], records: list[int]
) -> None:
    text = bytes(range(251)) * (sum(buffers) // 251 + 1)
    pieces, at = [], 0
    for size in buffers:
        pieces.append(text[at : at + size])
        at += size
    pair.stream.writelines(pieces)
    assert pair.arrived() == (text[:at], records)


@pytest.mark.parametrize("size", [1, FULL, 2 * FULL, 5 * FULL + 9])
def test_one_buffer_is_written_like_several(pair: Pair, size: int) -> None:
    text = bytes(range(251)) * (size // 251 + 1)
    pair.stream.write(text[:size])
    assert pair.arrived() == (text[:size], [FULL] * (size // FULL) + [size % FULL] * (size % FULL > 0))


@pytest.mark.parametrize(
    "tries",
    [
        lambda pair: pair.stream.write(b"x"),
        lambda pair: pair.stream.writelines([b"x", b"y"]),
        lambda pair: pair.stream.end_writing(),
        Pair.receive_a_broken_record,
    ],
    ids=["write", "writelines", "end again", "an alert"],
)
def test_nothing_is_written_behind_our_end(pair: Pair, tries: Callable[[Pair], None]) -> None:
    pair.stream.end_writing()
    assert pair.has_written, "close_notify"
    pair.arrived_end()
    tries(pair)
    assert not pair.has_written
