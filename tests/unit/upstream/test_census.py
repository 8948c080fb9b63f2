"""Which upstream connections there are."""

from proxy.http1.limits import MessageLimits
from proxy.upstream.census import Census, Count
from proxy.upstream.connection import CLOSED, IDLE, UpstreamConnection
from proxy.upstream.origin import Origin
from tests.unit.transport.noting import noting_stream


async def test_those_that_are_closed_are_forgotten_when_somebody_asks() -> None:
    census = Census()
    connections = [
        UpstreamConnection(Origin(host, 80), noting_stream(), MessageLimits(), 0.0, fast_path=True) for host in "aab"
    ]
    for connection in connections:
        census.opened(connection)
        connection.begin()
    connections[0].state = IDLE
    assert census.counts() == {"a:80": Count(1, 1), "b:80": Count(0, 1)}
    connections[1].state = connections[2].state = CLOSED
    assert len(census) == 3
    assert census.counts() == {"a:80": Count(1, 0)}
    assert len(census) == 1
