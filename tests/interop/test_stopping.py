"""How an instance stops: with a delay, within its time, at once; and what the log says of what was cut. Real processes."""

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.harness.processes import OnehopProcess, onehop
from tests.harness.scripted import OK, Peer, ScriptedUpstream, answering, client
from tests.harness.waiting import until

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
PART = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart"


async def half_an_answer(peer: Peer) -> None:
    await peer.head()
    await peer.send(PART)
    await peer.rest()


@asynccontextmanager
async def serving(upstream: ScriptedUpstream, *settings: str) -> AsyncIterator[OnehopProcess]:
    options = [word for setting in settings for word in ("--set", setting)]
    async with upstream.serving():
        where = ("--listen", "127.0.0.1:0", "--upstream", f"http://127.0.0.1:{upstream.port}")
        async with onehop("run", *where, "--workers", "2", "--access-log", "json", *options) as proxy:
            yield proxy


@asynccontextmanager
async def cut_client(proxy: OnehopProcess) -> AsyncIterator[None]:
    """Somebody whose answer will not be whole."""
    async with client(proxy.port) as peer:
        await peer.send(GET)
        await peer.head()
        yield
        with contextlib.suppress(ConnectionResetError):
            assert len(await peer.rest()) < 100


async def test_a_delay_serves_everything_before_the_shutdown_begins() -> None:
    upstream = ScriptedUpstream(answering(*[OK] * 100))
    async with serving(upstream, "shutdown_delay_s=2") as proxy, client(proxy.port) as peer:
        began = time.monotonic()
        stopped = asyncio.create_task(proxy.stop())
        await proxy.said("stopping in 2 s: /readyz says not ready, and requests are served until then")
        await peer.send(GET)
        head, body = await peer.response()
        assert body == b"ok"
        assert b"close" not in head, "an old connection goes on"
        async with client(proxy.port) as newcomer:
            await newcomer.send(GET)
            assert (await newcomer.response())[1] == b"ok"
        assert await stopped == 0
        assert time.monotonic() - began > 2


@pytest.mark.parametrize("delay", ["shutdown_delay_s=0", "shutdown_delay_s=60"])
async def test_a_second_signal_ends_at_once_and_the_log_says_what_was_cut(delay: str) -> None:
    async with serving(ScriptedUpstream(half_an_answer), delay, "timeouts.drain_s=60") as proxy, cut_client(proxy):
        proxy.process.send_signal(signal.SIGTERM)
        await proxy.said("stopping")
        began = time.monotonic()
        assert await proxy.stop(signal.SIGINT) == 0
        assert time.monotonic() - began < 5
        [line] = [json.loads(line) for line in proxy.log]
        assert (line["error"], line["status"]) == ("cancelled", 200)


async def test_what_outlasts_the_time_is_cut_and_logged() -> None:
    async with serving(ScriptedUpstream(half_an_answer), "timeouts.drain_s=0.5") as proxy, cut_client(proxy):
        assert await proxy.stop() == 0
        [line] = [json.loads(line) for line in proxy.log]
        assert line["error"] == "cancelled"


async def test_a_time_that_is_longer_than_a_wait_can_be_is_granted() -> None:
    settings = ("timeouts.drain_s=30000000", "timeouts.worker_stall_s=0")
    async with serving(ScriptedUpstream(half_an_answer), *settings) as proxy, cut_client(proxy):
        proxy.process.send_signal(signal.SIGTERM)
        await proxy.said("stopping")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(proxy.process.wait(), 0.3)
        assert await proxy.stop() == 0


async def test_a_tunnel_may_be_given_less_time_than_an_exchange() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        await peer.rest()

    async with serving(
        ScriptedUpstream(script), "timeouts.drain_s=60", "timeouts.tunnel_shutdown_s=0.3"
    ) as proxy, client(proxy.port) as peer:  # fmt: skip
        await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        await peer.head()
        assert await proxy.stop() == 0


async def test_two_signals_at_once_end_at_once() -> None:
    async with serving(ScriptedUpstream(half_an_answer), "timeouts.drain_s=60") as proxy, cut_client(proxy):
        for _ in range(2):
            proxy.process.send_signal(signal.SIGTERM)
        proxy.process.send_signal(signal.SIGINT)
        assert await proxy.stop() == 0
        await until(lambda: len(proxy.log) == 1)
