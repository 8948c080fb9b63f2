"""`limits.connections_per_client`: who has too many is told so, and costs nobody else a place."""

import pytest

from proxy.downstream.connection import ClientConnection
from proxy.downstream.per_client import Entry, PerClient
from proxy.policy.forwarded import ClientIdentity
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, ScriptedUpstream, answering, client, fields_of

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


async def test_one_connection_more_is_told_and_the_others_are_served() -> None:
    upstream = ScriptedUpstream(answering(*[OK] * 5))
    async with upstream.serving(), running_proxy(upstream.port, limits={"connections_per_client": 2}) as proxy:
        async with client(proxy.port) as one, client(proxy.port) as two:
            for peer in (one, two):
                await peer.send(GET)
                assert (await peer.response())[1] == b"ok"
            async with client(proxy.port) as three:
                head, body = await three.response()
                assert head.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
                assert fields_of(head)["connection"] == ["close"]
                assert "error=connection_limit_reached" in fields_of(head)["proxy-status"][0]
                assert b"too_many_connections: this client has as many connections as one may have" in body
            await one.send(GET)
            assert (await one.response())[1] == b"ok"
        await proxy.records.wait_for(4)
        assert [record.error for record in proxy.records] == ["", "", "too_many_connections", ""]


async def test_a_place_is_free_again_when_a_connection_ends_whoever_is_still_being_refused() -> None:
    upstream = ScriptedUpstream(answering(OK))
    settings = {"limits": {"connections_per_client": 1}, "timeouts": {"linger_s": 5.0}}
    async with (
        upstream.serving(),
        running_proxy(upstream.port, **settings) as proxy,  # type: ignore[arg-type]
        client(proxy.port) as first,
        client(proxy.port) as told,
    ):
        assert (await told.response())[0].startswith(b"HTTP/1.1 429 ")
        async with client(proxy.port) as cut:
            assert await cut.ended(), "as many again may be told, and no more"
        await first.close()
        while len(proxy.worker.clients) > 1:
            await yield_once()
        async with client(proxy.port) as next_one:
            await next_one.send(GET)
            assert (await next_one.response())[1] == b"ok"


async def test_trusted_peers_are_not_counted() -> None:
    upstream = ScriptedUpstream(answering(OK))
    settings = {"limits": {"connections_per_client": 1}, "trusted_networks": ["127.0.0.0/8"]}
    async with (
        upstream.serving(),
        running_proxy(upstream.port, **settings) as proxy,  # type: ignore[arg-type]
        client(proxy.port),
        client(proxy.port) as second,
    ):
        await second.send(GET)
        assert (await second.response())[1] == b"ok"


class Known:
    """As much of a client's connection as counting looks at."""

    def __init__(self, address: bytes, trusted: bool = False) -> None:
        self.identity = ClientIdentity(address, trusted)


SAME = [
    (b"2001:db8::1", b"2001:db8::2", Entry.REFUSED),
    (b"2001:db8::1", b"2001:db8:0:1::1", Entry.SERVED),
    (b"192.0.2.1", b"192.0.2.1", Entry.REFUSED),
    (b"192.0.2.1", b"192.0.2.2", Entry.SERVED),
    (b"unix", b"unix", Entry.SERVED),
]


@pytest.mark.parametrize(("one", "other", "entry"), SAME)
def test_an_ipv6_client_is_its_64_bits(one: bytes, other: bytes, entry: Entry) -> None:
    per_client = PerClient(1)
    first, second = known(one), known(other)
    assert per_client.enter(first) is Entry.SERVED
    assert per_client.enter(second) is entry
    per_client.leave(second)
    per_client.leave(first)
    assert not per_client._served and not per_client._refused and not per_client._being_refused, (
        "nothing is left behind"
    )


def known(address: bytes) -> ClientConnection:
    connection: ClientConnection = Known(address)  # type: ignore[assignment]
    return connection


async def yield_once() -> None:
    """Leave the loop a moment: nothing tells of a client that is gone."""
    import asyncio

    await asyncio.sleep(0.005)
