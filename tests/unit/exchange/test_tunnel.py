"""A tunnel between two streams whose transports only note what they are told: what goes where, and how it ends."""

import asyncio
from collections.abc import Callable

import pytest

from proxy.exchange.tunnel import Tunnel, TunnelEnd
from proxy.transport.deadlines import Deadlines
from proxy.transport.fiber import Fiber
from proxy.transport.stream import Stream
from tests.unit.transport.noting import NotingTransport

LONG_S = 1000.0


class Sent(NotingTransport):
    """Also notes what is written to it."""

    on_write: Callable[[], None] | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.told.append(bytes(data).decode())
        if self.on_write is not None:
            self.on_write()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.told.append("end")


class Ends:
    """Both ends of a tunnel, and how it ended."""

    def __init__(self, *, idle_s: float = LONG_S, half_closed_s: float = LONG_S) -> None:
        loop = asyncio.get_running_loop()
        self.to_client, self.to_upstream = Sent(), Sent()
        self.client, self.upstream = Stream(Deadlines(loop)), Stream(Deadlines(loop))
        self.client.connection_made(self.to_client)
        self.upstream.connection_made(self.to_upstream)
        self.tunnel = Tunnel(self.client, self.upstream, idle_s=idle_s, half_closed_s=half_closed_s)
        self.end: TunnelEnd | None = None
        self.fiber: Fiber | None = None

    def begin(self, from_client: bytes = b"", from_upstream: bytes = b"") -> None:
        async def run() -> None:
            self.end = await self.tunnel.run(from_client, from_upstream)

        self.fiber = Fiber(run())
        self.fiber.resume()

    def pass_deadline(self, stream: Stream) -> None:
        """Let what is due on a stream be overdue."""
        stream.expire(stream.next_deadline + 1)


@pytest.fixture
async def ends() -> Ends:
    return Ends()


def test_bytes_go_both_ways_those_behind_the_heads_first(ends: Ends) -> None:
    ends.begin(b"early-up", b"early-down")
    ends.client.data_received(b"up")
    ends.upstream.data_received(b"down")
    assert ends.to_upstream.told == ["early-up", "up"]
    assert ends.to_client.told == ["early-down", "down"]
    assert (ends.tunnel.bytes_up, ends.tunnel.bytes_down) == (10, 14)
    assert ends.end is None


@pytest.mark.parametrize("client_first", [True, False])
def test_the_end_of_one_side_is_passed_on_and_the_other_goes_on_until_it_ends_too(
    ends: Ends, client_first: bool
) -> None:
    ends.begin()
    first, second = (ends.client, ends.upstream) if client_first else (ends.upstream, ends.client)
    behind_first = ends.to_upstream if client_first else ends.to_client
    before_first = ends.to_client if client_first else ends.to_upstream
    first.eof_received()
    assert behind_first.told == ["end"]
    assert ends.end is None
    second.data_received(b"more")
    assert before_first.told == ["more"]
    second.eof_received()
    assert ends.end is TunnelEnd.CLOSED


@pytest.mark.parametrize(
    ("by_client", "expected"), [(True, TunnelEnd.RESET_BY_CLIENT), (False, TunnelEnd.RESET_BY_UPSTREAM)]
)
def test_a_reset_ends_the_tunnel_behind_what_was_said_before_it(
    ends: Ends, by_client: bool, expected: TunnelEnd
) -> None:
    ends.begin()
    broken, other = (ends.client, ends.to_upstream) if by_client else (ends.upstream, ends.to_client)
    broken.data_received(b"last")
    broken.connection_lost(None)
    assert other.told[0] == "last"
    if by_client:
        assert "close" in ends.to_upstream.told
        ends.upstream.connection_lost(None)  # what the loop says behind a close
    assert ends.end is expected


def test_a_side_that_takes_too_little_throttles_the_other_until_it_has_taken_more(ends: Ends) -> None:
    ends.begin()
    ends.client.data_received(b"one")
    ends.to_upstream.on_write = ends.upstream.pause_writing
    ends.client.data_received(b"two")
    assert ends.to_client.told == ["pause", "SmallReads"]
    ends.to_upstream.on_write = None
    ends.upstream.resume_writing()
    assert ends.to_client.told[2:] == ["resume"]
    ends.client.data_received(b"three")
    ends.upstream.pause_writing()  # between two pieces
    ends.client.data_received(b"four")
    assert ends.to_client.told[3:] == ["pause"]
    ends.upstream.resume_writing()
    assert ends.to_client.told[4:] == ["resume"]
    assert ends.to_upstream.told == ["one", "two", "three", "four"]
    assert ends.tunnel.bytes_up == 15


def test_bytes_in_one_direction_give_both_sides_more_time(ends: Ends) -> None:
    ends.begin()
    first = ends.client.next_deadline
    ends.client.set_read_deadline(first - 1)
    ends.client.data_received(b"one")
    assert ends.client.next_deadline >= first
    assert ends.to_upstream.told == ["one"]


async def test_a_tunnel_in_which_nothing_moves_is_idle() -> None:
    ends = Ends(idle_s=0.0)
    ends.begin()
    ends.pass_deadline(ends.upstream)
    assert ends.end is TunnelEnd.IDLE
    assert "close" in ends.to_upstream.told


@pytest.mark.parametrize("client_moves", [True, False])
async def test_a_side_that_says_nothing_may_do_so_while_the_other_moves(ends: Ends, client_moves: bool) -> None:
    ends.begin()
    moving, silent = (ends.client, ends.upstream) if client_moves else (ends.upstream, ends.client)
    moving.data_received(b"one")
    ends.pass_deadline(silent)
    assert ends.end is None
    assert silent.next_deadline > asyncio.get_running_loop().time() + LONG_S / 2
    silent.data_received(b"two")
    assert ends.to_client.told + ends.to_upstream.told == (["two", "one"] if client_moves else ["one", "two"])


async def test_a_half_closed_tunnel_has_a_limit_of_its_own() -> None:
    ends = Ends(half_closed_s=0.0)
    ends.begin()
    ends.client.eof_received()
    assert ends.end is None
    ends.pass_deadline(ends.upstream)
    assert ends.end is TunnelEnd.IDLE


def test_a_tunnel_that_is_cancelled_leaves_no_fiber_behind(ends: Ends) -> None:
    ends.begin()
    assert ends.fiber is not None
    ends.fiber.cancel()
    assert ends.fiber.ended
    ends.client.data_received(b"late")
    assert ends.to_upstream.told == []
