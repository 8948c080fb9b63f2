"""The simulated kernel against the real one, where no event loop stands between."""

import contextlib
import socket
from collections.abc import Callable

import pytest

from tests.simulation.kernel import Network
from tests.simulation.test_transport import Prompt, RealPeer


def over_a_real_kernel() -> OSError | None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as reader,
    ):
        writer, _ = listening.accept()
        writer.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                writer.send(b"x" * 65_536)
        writer.shutdown(socket.SHUT_WR)
        RealPeer(writer).reset()
        try:
            while reader.recv(1_000_000):
                pass
        except OSError as exc:
            return exc
    return None


def over_a_simulated_kernel() -> OSError | None:
    network = Network(Prompt(1))
    writer, reader = network.pair("writer", "reader", Prompt(1))
    with contextlib.suppress(BlockingIOError):
        while True:
            writer.send(b"x" * 65_536)
            network.advance(network.now + 1.0)
    writer.shut_down_writing()
    writer.reset()
    try:
        while True:
            network.advance(network.now + 1.0)
            if not reader.recv(1_000_000):
                return None
    except OSError as exc:
        return exc


@pytest.mark.parametrize("over", [over_a_real_kernel, over_a_simulated_kernel])
def test_a_reset_leaves_no_proper_end_that_was_queued_behind_bytes(over: Callable[[], OSError | None]) -> None:
    assert isinstance(over(), ConnectionResetError)
