"""More clients than there are places: who waits, who leaves for them, and who is told 503."""

import asyncio
import contextlib
import resource
import socket

import pytest

from proxy.downstream.places import Room
from proxy.policy.settings import Timeouts
from proxy.process import descriptors
from tests.harness.addresses import no_descriptors_left
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import OK, PATIENCE_S, Peer, ScriptedUpstream, answering, client, fields_of
from tests.harness.waiting import until

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


class Held:
    """An upstream that answers when it is told to, and counts the connections that it has."""

    def __init__(self) -> None:
        self.arrived = asyncio.Semaphore(0)
        self.go_on = asyncio.Event()
        self.open = self.most_open = 0

    async def __call__(self, peer: Peer) -> None:
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionResetError):
            while await peer.head():
                self.arrived.release()
                await self.go_on.wait()
                await peer.send(OK)
        self.open -= 1


def says_close(head: bytes) -> bool:
    return fields_of(head).get("connection") == ["close"]


async def test_whoever_finds_no_place_for_too_long_is_told_so() -> None:
    held = Held()
    upstream = ScriptedUpstream(held)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, limits={"connections": 1}, timeouts={"client_queue_s": 0.3}) as proxy,
        client(proxy.port) as busy,
    ):
        await busy.send(GET)
        await held.arrived.acquire()
        for _ in range(2):
            async with client(proxy.port) as newcomer:
                head, _ = await newcomer.response()
                assert head.startswith(b"HTTP/1.1 503 ")
                assert "error=connection_limit_reached" in fields_of(head)["proxy-status"][0]
        assert [record.error for record in proxy.records] == ["limit_reached"] * 2
        held.go_on.set()
        assert (await busy.response())[1] == b"ok"


async def test_newcomers_wait_while_memory_is_full_and_then_are_told_so() -> None:
    upstream = ScriptedUpstream(answering(OK, OK, OK))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, timeouts={"client_queue_s": 0.3}) as proxy,
        client(proxy.port) as first,
    ):
        await first.send(GET)
        assert (await first.response())[1] == b"ok"
        proxy.worker._listener.memory_is_full(True, 1 << 30)
        async with client(proxy.port) as newcomer:
            await newcomer.send(GET)
            assert (await newcomer.response())[0].startswith(b"HTTP/1.1 503 ")
        await first.send(GET)  # served still, and no longer than needed
        head, body = await first.response()
        assert (body, says_close(head)) == (b"ok", True)
        proxy.worker._listener.memory_is_full(False, 1 << 29)
        async with client(proxy.port) as newcomer:
            await newcomer.send(GET)
            assert (await newcomer.response())[1] == b"ok"


async def test_without_a_queue_they_are_told_at_once() -> None:
    held = Held()
    upstream = ScriptedUpstream(held)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, limits={"connections": 1}, timeouts={"client_queue_s": 0.0}) as proxy,
        client(proxy.port) as busy,
        client(proxy.port) as newcomer,
    ):
        await busy.send(GET)
        async with asyncio.timeout(Timeouts().client_queue_s * 0.8):
            assert (await newcomer.response())[0].startswith(b"HTTP/1.1 503 ")
        held.go_on.set()
        assert (await busy.response())[1] == b"ok"


async def test_an_idle_client_leaves_for_a_newcomer_the_longest_idle_one_first() -> None:
    upstream = ScriptedUpstream(answering(OK, OK, OK, OK, OK))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, limits={"connections": 2}) as proxy,
        client(proxy.port) as first,
        client(proxy.port) as second,
    ):
        for peer in (first, second, first):  # now the second is idle longest
            await peer.send(GET)
            assert not says_close((await peer.response())[0])
            await asyncio.sleep(0.01)  # the loop's clock tells milliseconds apart
        async with client(proxy.port) as newcomer:
            await newcomer.send(GET)
            assert (await newcomer.response())[1] == b"ok"
            assert await second.rest() == b""
            await first.send(GET)
            assert (await first.response())[1] == b"ok"


async def test_whoever_has_never_asked_leaves_too() -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, limits={"connections": 1}) as proxy,
        client(proxy.port) as silent,
        client(proxy.port) as newcomer,
    ):
        await newcomer.send(GET)
        assert (await newcomer.response())[1] == b"ok"
        assert await silent.rest() == b""


async def test_newcomers_wait_and_answers_say_close_until_nobody_waits() -> None:
    held = Held()
    upstream = ScriptedUpstream(held)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, limits={"connections": 1}) as proxy,
        client(proxy.port) as busy,
        client(proxy.port) as newcomer,
    ):
        await busy.send(GET)
        await held.arrived.acquire()
        await newcomer.send(GET)
        await until(lambda: proxy.worker._listener._places.is_crowded)
        assert len(proxy.worker.clients) == 1
        held.go_on.set()
        head, body = await busy.response()
        assert (says_close(head), body) == (True, b"ok")
        assert (await newcomer.response())[1] == b"ok"
        await newcomer.close()
        await until(lambda: not proxy.worker._listener._places.is_crowded)
        async with client(proxy.port) as later:
            await later.send(GET)
            assert not says_close((await later.response())[0])


@pytest.fixture
def few_descriptors(monkeypatch: pytest.MonkeyPatch) -> Room:
    room = Room(clients=3, spare=2, connections=6)
    monkeypatch.setattr(descriptors, "room", lambda config, workers: room)
    return room


async def answered_together(proxy: RunningProxy, count: int) -> None:
    async def one() -> None:
        async with client(proxy.port) as peer:
            await peer.send(GET)
            assert (await peer.response())[1] == b"ok"

    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(one() for _ in range(count)))


@pytest.mark.usefixtures("few_descriptors")
async def test_every_client_that_is_in_can_have_its_upstream_connection() -> None:
    held = Held()
    upstream = ScriptedUpstream(held)
    async with upstream.serving(), running_proxy(upstream.port) as proxy:
        asking = asyncio.create_task(answered_together(proxy, 20))
        for _ in range(3):
            await held.arrived.acquire()
        assert len(proxy.worker.deadlines.streams) == 6
        held.go_on.set()
        await asking
        assert held.most_open <= 3


@pytest.mark.usefixtures("few_descriptors")
async def test_idle_upstream_connections_are_closed_first() -> None:
    one, other = Held(), Held()
    one.go_on.set()
    upstream, another = ScriptedUpstream(one), ScriptedUpstream(other)
    async with upstream.serving(), another.serving(), running_proxy(upstream.port, another.port) as proxy:
        other.go_on.set()
        for _ in range(3):
            await answered_together(proxy, 3)
        async with client(proxy.port) as first, client(proxy.port) as second, client(proxy.port) as third:
            for peer in (first, second, third, first, second, third):
                await peer.send(GET)
                assert (await peer.response())[1] == b"ok"
                assert len(proxy.worker.deadlines.streams) <= 6


async def test_out_of_descriptors_newcomers_wait_and_the_loop_rests() -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with upstream.serving(), running_proxy(upstream.port) as proxy:
        loop = asyncio.get_running_loop()
        with socket.socket() as raw:
            raw.setblocking(False)
            with no_descriptors_left():
                used = resource.getrusage(resource.RUSAGE_SELF).ru_utime
                await loop.sock_connect(raw, ("127.0.0.1", proxy.port))
                await loop.sock_sendall(raw, GET)
                await asyncio.sleep(1)  # longer than any pause before another attempt
                assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - used < 0.5
            async with asyncio.timeout(PATIENCE_S):
                assert (await loop.sock_recv(raw, 4096)).startswith(b"HTTP/1.1 200 ")
