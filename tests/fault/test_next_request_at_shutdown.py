"""Clients that do not know yet that the worker ends: the request that is on its way is answered, and no further one."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import pytest

from proxy.downstream.connection import NEXT_REQUEST_S
from proxy.process.worker import Worker
from tests.harness.listeners import tls_proxy
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import OK, PATIENCE_S, Peer, ScriptedUpstream, answering, client, raw_client
from tests.harness.tls import Authority, authority

__all__ = ["authority"]

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
GET_1_0 = b"GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n"
CLOSES = b"\r\nConnection: close\r\n"

Stop: TypeAlias = Callable[[Worker], None]
either_end = pytest.mark.parametrize("stop", [Worker.shut_down, Worker.retire], ids=["shutdown", "reload"])


@asynccontextmanager
async def serving(*, drain_s: float = 60.0) -> AsyncIterator[RunningProxy]:
    upstream = ScriptedUpstream(answering(*[OK] * 10))
    async with upstream.serving(), running_proxy(upstream.port, timeouts={"drain_s": drain_s}) as proxy:
        yield proxy


async def swept(proxy: RunningProxy, times: int) -> None:
    """Wait until the worker has looked at its deadlines so often: every quarter of a second."""
    turn = asyncio.Event()
    proxy.worker.deadlines.on_sweep.append(lambda _: turn.set())
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(times):
            turn.clear()
            await turn.wait()


def hold_up(for_s: float) -> None:
    """Block the event loop, as a machine without a free core does."""
    time.sleep(for_s)


async def is_over(proxy: RunningProxy) -> None:
    """Wait until nobody is connected, long before `drain_s`."""
    async with asyncio.timeout(PATIENCE_S):
        await proxy.worker.run_until_shut_down()


@either_end
@pytest.mark.parametrize("request_bytes", [GET, GET_1_0, b"\r\n" + GET, GET * 3])
async def test_an_idle_client_may_ask_once_more(stop: Stop, request_bytes: bytes) -> None:
    async with serving() as proxy, client(proxy.port) as peer:
        await peer.send(GET)
        assert CLOSES not in (await peer.response())[0]
        stop(proxy.worker)
        await swept(proxy, 2)
        await peer.send(request_bytes)
        head, body = await peer.response()
        assert CLOSES in head
        assert body == b"ok"
        assert await peer.ended(), "what was sent behind it is not answered: the client knows"
        await peer.close()
        await is_over(proxy)
        assert len(proxy.records) == 2


@either_end
async def test_a_client_that_was_told_nothing_may_ask_behind_the_answer_under_way(stop: Stop) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK[:-1])
        begun.set()
        await go_on.wait()
        await peer.send(OK[-1:])
        await answering(OK)(peer)

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts={"drain_s": 60.0}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(GET)
        assert CLOSES not in await peer.head()
        stop(proxy.worker)
        go_on.set()
        assert await peer.exactly(2) == b"ok"
        await proxy.records.wait_for(1)
        await peer.send(GET)  # it has seen neither a `close` nor an end
        assert CLOSES in (await peer.response())[0]
        assert await peer.ended()
        await peer.close()
        await is_over(proxy)


@either_end
async def test_a_request_that_arrived_while_the_loop_was_held_up_is_answered(stop: Stop) -> None:
    async with serving() as proxy, raw_client(proxy.port) as raw:
        loop = asyncio.get_running_loop()
        raw.send(GET)
        received = await loop.sock_recv(raw, 65_536)
        await proxy.records.wait_for(1)
        stop(proxy.worker)
        await swept(proxy, 2)
        raw.send(GET)
        hold_up(NEXT_REQUEST_S + proxy.worker.deadlines.interval_s)  # it looks at its deadlines before it reads
        async with asyncio.timeout(PATIENCE_S):
            while data := await loop.sock_recv(raw, 65_536):
                received += data
        assert received.count(b"HTTP/1.1 200 ") == 2
        assert CLOSES in received


@either_end
async def test_clients_that_stay_idle_are_closed_after_a_moment(stop: Stop) -> None:
    async with serving() as proxy, client(proxy.port) as served, client(proxy.port) as silent:
        await served.send(GET)
        await served.response()
        began = time.monotonic()
        stop(proxy.worker)
        for peer in (served, silent):
            assert await peer.some() == b""  # a FIN, no reset
        assert time.monotonic() - began > NEXT_REQUEST_S / 2
        await is_over(proxy)  # though neither has closed its side


async def test_line_ends_do_not_keep_a_connection_open() -> None:
    async with serving() as proxy, client(proxy.port) as peer:
        await peer.send(GET)
        await peer.response()
        began = time.monotonic()
        proxy.worker.shut_down()
        for _ in range(2):
            await swept(proxy, 2)
            await peer.send(b"\r\n")  # RFC 9112 §2.2: ignored before a request
        assert await peer.some() == b""
        assert time.monotonic() - began < 4 * NEXT_REQUEST_S


async def test_a_shutdown_that_has_less_time_closes_idle_connections_properly() -> None:
    async with serving(drain_s=0.1) as proxy, raw_client(proxy.port) as raw:
        raw.send(GET)
        loop = asyncio.get_running_loop()
        await loop.sock_recv(raw, 65_536)
        proxy.worker.shut_down()
        ended = asyncio.create_task(is_over(proxy))
        async with asyncio.timeout(PATIENCE_S):
            assert await loop.sock_recv(raw, 65_536) == b"", "a reset would be reported as a failure"
        await ended


@pytest.mark.parametrize("asks", [True, False])
async def test_over_tls_it_ends_with_a_close_notify(authority: Authority, asks: bool) -> None:
    upstream = ScriptedUpstream(answering(OK, OK))
    asked, stopped = asyncio.Event(), threading.Event()
    loop, context = asyncio.get_running_loop(), authority.client()

    def visit(port: int) -> list[bytes]:
        raw = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        with context.wrap_socket(raw, server_hostname="a.example", suppress_ragged_eofs=False) as tls:
            tls.sendall(GET)
            heard = [tls.recv(8192)]
            loop.call_soon_threadsafe(asked.set)
            stopped.wait(PATIENCE_S)
            if asks:
                tls.sendall(GET)
            while data := tls.recv(8192):  # raises SSLEOFError at a bare FIN
                heard.append(data)
        return heard

    async with upstream.serving(), tls_proxy(authority, upstream.port, timeouts={"drain_s": 60.0}) as proxy:
        visiting = asyncio.create_task(asyncio.to_thread(visit, proxy.port))
        await asked.wait()
        proxy.worker.shut_down()
        await swept(proxy, 2)
        stopped.set()
        heard = await visiting
        assert len(heard) == 1 + asks
        assert (CLOSES in heard[-1]) == asks
