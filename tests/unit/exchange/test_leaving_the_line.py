"""A client that leaves in the very moment in which it is granted what it waited for: that goes to others."""

import asyncio

from proxy.errors import ClientGone
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.connection_limit import ConnectionLimit
from proxy.upstream.origin import Candidate
from proxy.upstream.pool import Lease
from tests.unit.exchange.attempted import OK, A, Attempted
from tests.unit.transport.noting import transport_of


class Waiting:
    """A request that waits for the only connection there may be, which another one has."""

    def __init__(self) -> None:
        self.request = Attempted()
        pool, loop = self.request.pool, asyncio.get_running_loop()
        self.limit: ConnectionLimit[UpstreamConnection] = ConnectionLimit(
            1, loop, queue=1, queue_s=9, idle=pool.idle_at
        )
        self.request.service.use([Candidate(A)])
        self.request.service.limit_connections(self.limit)

    async def begin(self) -> Lease:
        """The other one's lease, of which it has read the response."""
        assert self.limit.take(A)
        lease = await self.request.pool.lease_fresh(A, limit=self.limit)
        lease.connection.stream.data_received(OK)
        await lease.connection.read_head(b"GET")
        lease.connection.arrived()
        await self.request.start()
        assert self.limit.waiting == 1
        return lease

    def leave(self) -> None:
        self.request.attempts.abandon(ClientGone("left"))
        assert isinstance(self.request.result, ClientGone)


async def test_a_place_that_it_was_granted_is_free_again() -> None:
    waiting = Waiting()
    lease = await waiting.begin()
    lease.end()
    lease.connection.stream.connection_lost(None)
    assert (waiting.limit.waiting, waiting.limit.taken(A)) == (0, 1), "the place is granted"
    waiting.leave()
    assert waiting.limit.taken(A) == 0


async def test_a_connection_that_it_was_granted_is_kept_for_others() -> None:
    waiting = Waiting()
    lease = await waiting.begin()
    lease.give_back(request_complete=True)
    assert (waiting.limit.waiting, len(waiting.request.pool)) == (0, 0), "the connection is granted"
    waiting.leave()
    assert len(waiting.request.pool) == 1
    next_one = waiting.request.pool.lease_idle(A, replayable=True)
    assert next_one is not None
    assert next_one.connection is lease.connection


async def test_a_connection_that_it_was_granted_is_closed_where_something_has_arrived_on_it() -> None:
    waiting = Waiting()
    lease = await waiting.begin()
    lease.give_back(request_complete=True)
    lease.connection.stream.data_received(b"HTTP/1.1 200 OK\r\n")
    waiting.leave()
    assert len(waiting.request.pool) == 0
    assert transport_of(lease.connection.stream).told == ["abort"]


async def test_a_connection_that_opens_in_this_moment_is_closed() -> None:
    attempted = Attempted()
    attempted._fiber.resume()
    await asyncio.sleep(0)
    (stream,) = attempted.streams
    assert attempted.attempts.lease is None, "it is open, and the request does not know"
    attempted.attempts.abandon(ClientGone("left"))
    assert isinstance(attempted.result, ClientGone)
    await attempted.turn()
    assert "abort" in transport_of(stream).told


async def test_a_name_that_is_looked_up_again_is_not_waited_for() -> None:
    attempted, asked = Attempted(refuse=9), asyncio.Event()

    async def addresses_now(_: str) -> list[str]:
        asked.set()
        await asyncio.Event().wait()
        return []

    attempted.pool.connector.addresses_now = addresses_now  # type: ignore[assignment, method-assign]
    attempted.service.use([Candidate(A._replace(address="10.0.0.1"))])
    await attempted.start()
    await asked.wait()
    attempted.attempts.abandon(ClientGone("left"))
    assert isinstance(attempted.result, ClientGone)
    await attempted.turn()
