"""Leases and what becomes of their connections: a table of ends, on streams whose transports only note what they are told."""

import asyncio
from typing import cast

import pytest

from proxy.http1.limits import MessageLimits
from proxy.policy.settings import PoolSettings
from proxy.transport.deadlines import Deadlines
from proxy.transport.stream import Stream
from proxy.upstream.connection import ConnectionState, UpstreamConnection
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


def pool_of(**settings: float) -> Pool:
    return Pool(
        PoolSettings(**settings),  # type: ignore[arg-type]
        MessageLimits(),
        Deadlines(asyncio.get_running_loop()),
        cast("Connector", Streams()),
        idle_s=55.0,
        fast_path=True,
        most_connections=1000,
    )


async def exchanged(lease: Lease, response: bytes = OK) -> None:
    """One response, read whole."""
    upstream = lease.connection
    upstream.stream.data_received(response)
    await upstream.read_head(b"GET")
    upstream.arrived()


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
    first = await pool.lease_fresh(ORIGIN)
    await exchanged(first)
    first.give_back(request_complete=True)
    second = pool.lease_idle(ORIGIN, replayable=True)
    assert second is not None
    getattr(first, again)(**({"request_complete": True} if again == "give_back" else {}))
    assert state_of(second.connection) == (ConnectionState.LEASED, [])
    assert len(pool) == 0


NOT_KEPT = [
    # the response                                                   request sent whole
    (OK,                                                             False),
    (OK + b"surplus",                                                True),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",              True),
    (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", True),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",                True),
    (b"HTTP/1.1 200 OK\r\n\r\nuntil close",                          True),
    (b"HTTP/1.1 200 OK\r\nKeep-Alive: max=0\r\nContent-Length: 0\r\n\r\n", True),
]  # fmt: skip


@pytest.mark.parametrize("bound", [False, True])
@pytest.mark.parametrize(("response", "request_complete"), NOT_KEPT)
async def test_what_is_not_safe_is_closed(response: bytes, request_complete: bool, bound: bool) -> None:
    pool = pool_of()
    lease = await pool.lease_fresh(ORIGIN)
    if bound:
        lease.bind("alice", "app")
    await exchanged(lease, response)
    lease.give_back(request_complete=request_complete)
    assert state_of(lease.connection) == (ConnectionState.CLOSED, ["abort"])
    assert (len(pool), len(pool.bound)) == (0, 0)


async def test_a_promise_of_a_second_is_too_short_to_keep_it() -> None:
    pool = pool_of()
    lease = await pool.lease_fresh(ORIGIN)
    await exchanged(lease, b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 0\r\n\r\n")
    lease.give_back(request_complete=True)
    assert state_of(lease.connection) == (ConnectionState.CLOSED, ["abort"])


@pytest.mark.parametrize("settings", [{"max_requests": 1}, {"max_age_s": -1.0}])
async def test_a_connection_past_its_age_or_its_requests_is_replaced(settings: dict[str, float]) -> None:
    pool = pool_of(**settings)
    lease = await pool.lease_fresh(ORIGIN)
    await exchanged(lease)
    lease.give_back(request_complete=True)
    assert state_of(lease.connection) == (ConnectionState.CLOSED, ["abort"])


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
    assert pool.lease_bound("alice", "app") is None


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
    assert pool.lease_bound("bob", "app") is None
    assert pool.lease_bound("alice", "other") is None
    hers = pool.lease_bound("alice", "app")
    assert hers is not None and hers.connection is lease.connection and hers.reused
    await exchanged(hers)
    hers.give_back(request_complete=True)
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
    leased.give_back(request_complete=True)
    for lease in (idle, leased):
        assert lease.connection.state is ConnectionState.CLOSED
    assert len(pool) == 0
