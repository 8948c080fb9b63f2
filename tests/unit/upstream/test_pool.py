"""Leases and what becomes of their connections: a table of ends, on streams whose transports only note what they are told."""

import asyncio
import select
from collections.abc import Callable
from typing import Any, cast

import pytest

from proxy.http1.limits import MessageLimits
from proxy.policy import keeping
from proxy.policy.keeping import Keeping
from proxy.policy.settings import PoolSettings
from proxy.transport import sockets
from proxy.transport.deadlines import Deadlines
from proxy.transport.stream import Stream
from proxy.upstream.connection import ConnectionState, UpstreamConnection
from proxy.upstream.connection_limit import ConnectionLimit
from proxy.upstream.connector import Connector
from proxy.upstream.origin import Origin
from proxy.upstream.pool import Lease, Pool
from tests.unit.transport.noting import noting_stream, transport_of

ORIGIN = Origin("a", 80)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Streams:
    """Stands where the connector stands."""

    async def connect(self, _: Origin, connect_s: float | None = None) -> Stream:
        return noting_stream()


def pool_of(most_connections: int = 1000, **settings: float) -> Pool:
    return Pool(
        PoolSettings(**settings),  # type: ignore[arg-type]
        MessageLimits(),
        Deadlines(asyncio.get_running_loop()),
        cast("Connector", Streams()),
        idle_s=55.0,
        fast_path=True,
        most_connections=most_connections,
    )


async def exchanged(lease: Lease, response: bytes = OK) -> None:
    """One response, read whole."""
    upstream = lease.connection
    upstream.stream.data_received(response)
    await upstream.read_head(b"GET")
    upstream.arrived()


async def used_again(pool: Pool) -> tuple[Lease, Lease]:
    """A lease that has ended, and the next one of its connection."""
    first = await pool.lease_fresh(ORIGIN)
    await exchanged(first)
    first.give_back(request_complete=True)
    second = pool.lease_idle(ORIGIN, replayable=True)
    assert second is not None
    return first, second


def state_of(connection: UpstreamConnection) -> tuple[ConnectionState, list[str]]:
    return connection.state, transport_of(connection.stream).told


async def test_a_connection_goes_from_hand_to_hand() -> None:
    pool = pool_of()
    first = await pool.lease_fresh(ORIGIN)
    assert (first.reused, first.connection.state) == (False, ConnectionState.LEASED)
    assert pool.lease_idle(ORIGIN, replayable=True) is None
    await exchanged(first)
    first.give_back(request_complete=True)
    assert (len(pool), first.connection.state) == (1, ConnectionState.IDLE)
    second = pool.lease_idle(ORIGIN, replayable=True)
    assert second is not None
    assert (second.reused, second.connection, len(pool)) == (True, first.connection, 0)


@pytest.mark.parametrize("again", ["end", "close", "give_back"])
async def test_a_lease_that_has_ended_does_nothing_to_the_next_one(again: str) -> None:
    pool = pool_of()
    first, second = await used_again(pool)
    getattr(first, again)(**({"request_complete": True} if again == "give_back" else {}))
    assert state_of(second.connection) == (ConnectionState.LEASED, [])
    assert len(pool) == 0


NOT_KEPT = [
    # the response                                       request sent whole, and the reason
    (OK,                                                             False, keeping.NOT_SENT),
    (OK + b"surplus",                                                True,  keeping.SURPLUS),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",              True,  keeping.NOT_WHOLE),
    (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", True, keeping.CLOSES),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",                True,  keeping.CLOSES),
    (b"HTTP/1.1 200 OK\r\n\r\nuntil close",                          True,  keeping.NOT_WHOLE),
    (b"HTTP/1.1 200 OK\r\nKeep-Alive: max=0\r\nContent-Length: 0\r\n\r\n", True, keeping.LAST_PROMISED),
]  # fmt: skip


@pytest.mark.parametrize("bound", [False, True])
@pytest.mark.parametrize(("response", "request_complete", "why"), NOT_KEPT)
async def test_what_is_not_safe_is_closed(response: bytes, request_complete: bool, why: Keeping, bound: bool) -> None:
    pool = pool_of()
    lease = await pool.lease_fresh(ORIGIN)
    if bound:
        lease.bind("alice", "app")
    await exchanged(lease, response)
    assert lease.give_back(request_complete=request_complete) is why
    assert state_of(lease.connection) == (ConnectionState.CLOSED, ["abort"])
    assert (len(pool), len(pool.bound)) == (0, 0)


async def test_a_promise_of_a_second_is_too_short_to_keep_it() -> None:
    pool = pool_of()
    lease = await pool.lease_fresh(ORIGIN)
    await exchanged(lease, b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 0\r\n\r\n")
    assert lease.give_back(request_complete=True) is keeping.TOO_SHORT
    assert state_of(lease.connection) == (ConnectionState.CLOSED, ["abort"])


@pytest.mark.parametrize(
    ("settings", "why"), [({"max_requests": 1}, keeping.TOO_MANY), ({"max_age_s": -1.0}, keeping.TOO_OLD)]
)
async def test_a_connection_past_its_age_or_its_requests_is_replaced(settings: dict[str, Any], why: Keeping) -> None:
    pool = pool_of(**settings)
    lease = await pool.lease_fresh(ORIGIN)
    await exchanged(lease)
    assert lease.give_back(request_complete=True) is why
    assert state_of(lease.connection) == (ConnectionState.CLOSED, ["abort"])


async def test_a_connection_to_an_origin_that_is_no_longer_used_is_closed_until_it_is_used_again() -> None:
    pool = pool_of()
    idle, leased, later = [await pool.lease_fresh(ORIGIN) for _ in range(3)]
    for lease in (idle, leased, later):
        await exchanged(lease)
    assert idle.give_back(request_complete=True) is keeping.POOLED
    pool.retire(ORIGIN)
    assert idle.connection.state is ConnectionState.CLOSED
    assert leased.give_back(request_complete=True) is keeping.RETIRED
    pool.restore(ORIGIN)
    assert later.give_back(request_complete=True) is keeping.POOLED


async def test_what_is_idle_beyond_the_limit_is_closed_the_oldest_first() -> None:
    pool = pool_of(idle_per_origin=1)
    leases = [await pool.lease_fresh(ORIGIN) for _ in range(3)]
    for lease in leases:
        await exchanged(lease)
        lease.give_back(request_complete=True)
    assert [lease.connection.state for lease in leases] == [ConnectionState.CLOSED] * 2 + [ConnectionState.IDLE]
    assert len(pool) == 1


@pytest.mark.parametrize("stirs", [lambda stream: stream.data_received(b"x"), lambda stream: stream.eof_received()])
async def test_a_connection_that_is_used_again_is_not_watched_as_an_idle_one(stirs: Callable[[Stream], object]) -> None:
    pool = pool_of()
    _, lease = await used_again(pool)
    stirs(lease.connection.stream)  # while nobody reads: a slow client is waited for
    assert state_of(lease.connection) == (ConnectionState.LEASED, [])


async def test_a_connection_that_is_being_opened_takes_room_until_it_is_there() -> None:
    pool = pool_of(most_connections=2)
    opening = asyncio.ensure_future(pool.lease_fresh(ORIGIN))
    await asyncio.sleep(0)
    assert [pool.make_room(count) for count in (1, 2)] == [True, False]
    await opening
    assert [pool.make_room(count) for count in (2, 3)] == [True, False], "its stream counts from then on"
    assert pool.opened == 1


async def test_a_connection_is_handed_to_the_request_that_waits_for_it() -> None:
    pool, loop = pool_of(), asyncio.get_running_loop()
    limit: ConnectionLimit[UpstreamConnection] = ConnectionLimit(1, loop, queue=1, queue_s=9.0, idle=pool.idle_at)
    assert limit.take(ORIGIN)
    lease = await pool.lease_fresh(ORIGIN, limit=limit)
    await exchanged(lease)
    waiter = limit.enter(ORIGIN, soon=False)
    assert lease.give_back(request_complete=True) is keeping.HANDED_OVER
    assert (await waiter.future, len(pool)) == (lease.connection, 0)


@pytest.mark.parametrize("stirs", [lambda stream: stream.data_received(b"x"), lambda stream: stream.eof_received()])
@pytest.mark.parametrize("bound", [False, True])
async def test_an_idle_connection_on_which_something_arrives_is_discarded(stirs: object, bound: bool) -> None:
    pool = pool_of()
    lease = await pool.lease_fresh(ORIGIN)
    if bound:
        lease.bind("alice", "app")
    await exchanged(lease)
    lease.give_back(request_complete=True)
    stirs(lease.connection.stream)  # type: ignore[operator]
    assert state_of(lease.connection) == (ConnectionState.CLOSED, ["abort"])
    assert (len(pool), len(pool.bound)) == (0, 0)
    assert pool.lease_idle(ORIGIN, replayable=True) is None
    assert pool.lease_bound("alice", "app", replayable=True) is None


async def test_a_tunnels_connection_is_closed_when_all_is_sent() -> None:
    lease = await pool_of().lease_fresh(ORIGIN)
    lease.close()
    lease.end()
    assert state_of(lease.connection) == (ConnectionState.CLOSED, ["close"])


async def test_a_bound_connection_is_its_owners_alone() -> None:
    pool = pool_of()
    lease = await pool.lease_fresh(ORIGIN)
    lease.bind("alice", "app")
    await exchanged(lease)
    lease.give_back(request_complete=True)
    assert pool.lease_idle(ORIGIN, replayable=True) is None
    assert pool.lease_bound("bob", "app", replayable=True) is None
    assert pool.lease_bound("alice", "other", replayable=True) is None
    hers = pool.lease_bound("alice", "app", replayable=True)
    assert hers is not None and hers.connection is lease.connection and hers.reused
    await exchanged(hers)
    assert hers.give_back(request_complete=True) is keeping.BOUND
    assert len(pool.bound) == 1  # it stays hers
    pool.bound.release("alice")
    assert state_of(lease.connection) == (ConnectionState.CLOSED, ["abort"])


async def test_a_pool_that_is_shut_down_keeps_nothing() -> None:
    pool = pool_of()
    idle, leased = await pool.lease_fresh(ORIGIN), await pool.lease_fresh(ORIGIN)
    await exchanged(idle)
    await exchanged(leased)
    idle.give_back(request_complete=True)
    pool.shut_down()
    assert leased.give_back(request_complete=True) is keeping.POOL_ENDED
    for lease in (idle, leased):
        assert lease.connection.state is ConnectionState.CLOSED
    assert len(pool) == 0


@pytest.mark.parametrize("replayable", [True, False])
async def test_one_that_has_ended_as_it_was_handed_over_is_for_nothing_that_cannot_be_replayed(
    monkeypatch: pytest.MonkeyPatch, replayable: bool
) -> None:
    pool = pool_of()
    lease = await pool.lease_fresh(ORIGIN)
    await exchanged(lease)
    # The kernel knows, and the loop has not said so.
    monkeypatch.setattr(sockets, "poll_for_reading", lambda _: lambda _: [(0, select.POLLIN)])
    granted = pool.lease_granted(lease.connection, replayable)
    assert (granted is not None) is replayable
    assert lease.connection.state is (ConnectionState.LEASED if replayable else ConnectionState.CLOSED)
