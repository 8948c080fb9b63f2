"""Which connections stay open, on either side, and which request goes on which."""

import asyncio

import pytest

from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, Peer, ScriptedUpstream, answering, client, fields_of

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
OK_10 = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"
OK_10_KEEP = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nok"

DOWNSTREAM = [  # request head, what the client is told, whether its connection stays open
    (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", None, True),
    (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", ["close"], False),
    (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, CLOSE ,,\r\n\r\n", ["close"], False),
    (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: not-close-x\r\n\r\n", None, True),
    (b"GET / HTTP/1.0\r\n\r\n", ["close"], False),
    (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", ["keep-alive"], True),
    (b"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", ["close"], False),
]


@pytest.mark.parametrize(("request_head", "told", "stays_open"), DOWNSTREAM)
async def test_the_clients_connection_lives_by_its_table(
    request_head: bytes, told: list[str] | None, stays_open: bool, reader: str
) -> None:
    upstream = ScriptedUpstream(answering(OK, OK))
    async with upstream.serving(), running_proxy(upstream.port, reader=reader) as proxy, client(proxy.port) as peer:
        await peer.send(request_head)
        head, body = await peer.response()
        assert body == b"ok"
        assert fields_of(head).get("connection") == told
        if stays_open:
            await peer.send(request_head)
            assert (await peer.response())[1] == b"ok"
            assert upstream.connections == 1
        else:
            assert await peer.ended()


UPSTREAM = [  # response, whether its connection is used again
    (OK, True),
    (OK_10, False),
    (OK_10_KEEP, True),
    (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", False),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", True),
    (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", True),
    (OK + b"surplus", False),
    (b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok", False),
    (b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=30, max=0\r\nContent-Length: 2\r\n\r\nok", False),
]


@pytest.mark.parametrize(("response", "reused"), UPSTREAM)
async def test_an_upstream_connection_is_pooled_only_where_it_is_safe(
    response: bytes, reused: bool, reader: str
) -> None:
    upstream = ScriptedUpstream(answering(response, response))
    async with upstream.serving(), running_proxy(upstream.port, reader=reader) as proxy, client(proxy.port) as peer:
        for _ in range(2):
            await peer.send(GET)
            head, _ = await peer.response()
            assert b"surplus" not in head
        assert upstream.connections == (1 if reused else 2)
        assert [record.reused for record in proxy.records[1:2]] == [reused]


async def test_a_1_0_keep_alive_client_gets_a_chunked_answer_until_close() -> None:
    upstream = ScriptedUpstream(
        answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3\r\n!!!\r\n0\r\n\r\n")
    )
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        head, body = await peer.response()
        assert body == b"ok!!!"
        assert fields_of(head)["connection"] == ["close"]
        assert "transfer-encoding" not in fields_of(head)


async def test_a_body_until_close_is_chunked_to_a_1_1_client() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(UNTIL_CLOSE)

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(GET)
        head, body = await peer.response()
        assert fields_of(head)["transfer-encoding"] == ["chunked"]
        assert body == b"ok"
        assert proxy.idle_upstreams == 0


async def test_pipelined_requests_are_answered_in_order(reader: str) -> None:
    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number for number in range(5)]
    upstream = ScriptedUpstream(answering(*answers))
    async with upstream.serving(), running_proxy(upstream.port, reader=reader) as proxy, client(proxy.port) as peer:
        await peer.send(GET * 5)
        assert [(await peer.response())[1] for _ in range(5)] == [b"0", b"1", b"2", b"3", b"4"]
        assert upstream.connections == 1


async def test_an_idle_connection_that_its_upstream_closes_is_forgotten() -> None:
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        closed.set()  # and returns, which closes

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        for _ in range(3):
            await peer.send(GET)
            assert (await peer.response())[1] == b"ok"
        assert upstream.connections == 3
        assert all(record.error == "" for record in proxy.records)


async def test_a_stale_connection_costs_a_get_nothing_and_never_sends_a_post_twice() -> None:
    requests: list[bytes] = []

    async def closes_on_the_second_request(peer: Peer) -> None:
        requests.append(await peer.head())
        await peer.send(OK)
        requests.append(await peer.head())  # read, and not answered: the race, made certain

    upstream = ScriptedUpstream(
        closes_on_the_second_request, answering(OK, OK), closes_on_the_second_request, answering(OK)
    )
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(GET)
        await peer.response()
        await peer.send(GET)
        assert (await peer.response())[1] == b"ok"
        assert (proxy.records[1].attempts, proxy.records[1].status) == (2, 200)
        assert upstream.connections == 2

    upstream = ScriptedUpstream(closes_on_the_second_request, answering(OK))
    requests.clear()
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(GET)
        await peer.response()
        await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
        head, _ = await peer.response()
        assert head.startswith(b"HTTP/1.1 502 ")
        assert upstream.connections == 1
        assert sum(request.startswith(b"POST") for request in requests) == 1


async def test_a_post_does_not_take_a_connection_that_has_been_idle() -> None:
    upstream = ScriptedUpstream(answering(OK, OK))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, pool={"just_used_s": 0.0}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(GET)
        await peer.response()
        await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx")
        await peer.response()
        assert upstream.connections == 2


async def test_shutdown_finishes_what_is_under_way_and_says_close() -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        arrived.set()
        await go_on.wait()
        await peer.send(OK)
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(GET)
        await arrived.wait()
        proxy.worker.shut_down()
        ended = asyncio.create_task(proxy.worker.run_until_shut_down())
        await asyncio.sleep(0.1)  # the shutdown's grace for what the kernel has accepted
        go_on.set()
        head, body = await peer.response()
        assert body == b"ok"
        assert fields_of(head)["connection"] == ["close"]
        await ended
