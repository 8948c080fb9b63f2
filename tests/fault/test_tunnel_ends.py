"""How tunnels end: what still goes on, how long it may be silent, and what the log says of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from proxy.telemetry.access_lines import json_line, text_line
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import Peer, ScriptedUpstream

ASK = b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


@asynccontextmanager
async def tunnel(script: Any, **timeouts: float) -> AsyncIterator[tuple[RunningProxy, Peer]]:
    """A client behind its 101; `script` goes on behind the upstream's."""

    async def switching(peer: Peer) -> None:
        await peer.head()
        await peer.send(SWITCH)
        await script(peer)

    upstream = ScriptedUpstream(switching)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts={**timeouts}) as proxy,
    ):
        peer = Peer(*await asyncio.open_connection("127.0.0.1", proxy.port))
        await peer.send(ASK)
        assert (await peer.head()).startswith(b"HTTP/1.1 101 ")
        yield proxy, peer
    await peer.close()


async def logged(proxy: RunningProxy) -> str:
    await proxy.records.wait_for(1)
    record = proxy.records[0]
    assert (record.status, record.error) == (101, "")
    assert f'"tunnel_end":"{record.tunnel_end}"'.encode() in json_line(record, "")
    assert f" tunnel={record.tunnel_end}".encode() in text_line(record, "")
    return record.tunnel_end


async def test_a_tunnel_that_both_sides_end_is_closed() -> None:
    async def echoes(peer: Peer) -> None:
        await peer.send(await peer.rest())

    async with tunnel(echoes) as (proxy, peer):
        await peer.send(b"ping")
        peer.half_close()
        assert await peer.rest() == b"ping"
        assert await logged(proxy) == "closed"


async def test_a_silent_tunnel_is_idle() -> None:
    async with tunnel(Peer.rest, tunnel_idle_s=0.2) as (proxy, peer):
        assert await peer.ended()
        assert await logged(proxy) == "idle"


async def test_a_tunnel_whose_client_breaks_is_reset_by_it() -> None:
    async with tunnel(Peer.rest) as (proxy, peer):
        await peer.send(b"last words")
        peer.reset()
        assert await logged(proxy) == "reset_by_client"


async def test_a_tunnel_whose_upstream_breaks_is_reset_by_it() -> None:
    async def breaks(peer: Peer) -> None:
        await peer.exactly(4)
        peer.reset()

    async with tunnel(breaks) as (proxy, peer):
        await peer.send(b"ping")
        assert await peer.ended()
        assert await logged(proxy) == "reset_by_upstream"


async def test_a_tunnel_at_the_end_of_a_worker_is_shut_down() -> None:
    async with tunnel(Peer.rest, drain_s=0.2) as (proxy, _):
        pass  # leaving ends the worker before the client
    assert proxy.records[0].tunnel_end == "shut_down"


@pytest.mark.parametrize("ended", ["client", "upstream"])
async def test_a_half_closed_tunnel_has_a_limit_of_its_own(ended: str) -> None:
    async def script(peer: Peer) -> None:
        if ended == "upstream":
            peer.half_close()
        await asyncio.Event().wait()

    async with tunnel(script, tunnel_half_closed_s=0.2) as (proxy, peer):
        if ended == "client":
            peer.half_close()
        assert await peer.rest() == b""
        assert await logged(proxy) == "idle"


async def test_an_answer_may_come_long_after_the_input_has_ended() -> None:
    async def computes(peer: Peer) -> None:
        assert await peer.rest() == b"input"
        await asyncio.sleep(0.6)  # longer than a request's answer may take here, and than the sweep's granularity
        await peer.send(b"output")

    async with tunnel(computes, tunnel_idle_s=5.0, response_head_s=0.2, response_body_idle_s=0.2) as (proxy, peer):
        await peer.send(b"input")
        peer.half_close()
        assert await peer.rest() == b"output"
        assert await logged(proxy) == "closed"
        assert proxy.worker._config.timeouts.tunnel_half_closed_s == 600.0
