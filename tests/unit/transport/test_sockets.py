"""What a broken connection has left in the kernel."""

import socket

import pytest

from proxy.transport.sockets import Remainder

PIECE_BYTES = 65_536


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES + 9])
def test_all_of_it_is_read_and_then_there_is_no_more(size: int) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        theirs.sendall(b"x" * size)
        remainder = Remainder(ours, ConnectionResetError())
        pieces = [remainder.first]
        assert remainder.has_more == (size >= PIECE_BYTES)
        pieces += [remainder.next() for _ in range(4)]
        assert b"".join(pieces) == b"x" * size
        assert (remainder.next(), remainder.has_more) == (b"", False)


def test_the_rest_can_be_forgotten() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        theirs.sendall(b"x" * (2 * PIECE_BYTES))
        remainder = Remainder(ours, ConnectionResetError())
        for _ in range(2):
            remainder.drop()
            assert (remainder.next(), remainder.has_more) == (b"", False)
