"""`max_connections`, `queue` and `queue_s`: what an origin sees, who waits, and what those read who wait in vain."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from proxy.upstream.origin import Origin
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import OK, PATIENCE_S, Peer, ScriptedUpstream, answering, client, fields_of

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"


class Gated:
    """An origin that answers a request when it is told to, and knows how many connections it has had at once."""

    def __init__(self, response: bytes = OK) -> None:
        self.upstream = ScriptedUpstream(self._script)
        self.targets: list[str] = []
        self.open = self.most = 0
        self._response = response
        self._answers: asyncio.Queue[None] = asyncio.Queue()
        self._arrived = asyncio.Event()

    async def _script(self, peer: Peer) -> None:
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            while head := await self._head(peer):
                self.targets.append(head.split()[1].decode())
                self._arrived.set()
                await self._answers.get()
                await peer.send(self._response)
        finally:
            self.open -= 1

    async def _head(self, peer: Peer) -> bytes:
        try:
            head = await peer.head()
            await peer.exactly(int(fields_of(head).get("content-length", ["0"])[0]))
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        return head

    def answer(self, times: int = 1) -> None:
        """Let so many requests be answered."""
        for _ in range(times):
            self._answers.put_nowait(None)

    async def has_seen(self, requests: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.targets) < requests:
                self._arrived.clear()
                await self._arrived.wait()


@asynccontextmanager
async def before(*origins: Gated, **upstream: Any) -> AsyncIterator[tuple[RunningProxy, list[Peer]]]:
    """A proxy before these origins, and ten clients."""
    pool = upstream.pop("pool", None)
    async with AsyncExitStack() as stack:
        for origin in origins:
            await stack.enter_async_context(origin.upstream.serving())
        ports = [origin.upstream.port for origin in origins]
        proxy = await stack.enter_async_context(running_proxy(*ports, upstream=upstream, pool=pool))
        yield proxy, [await stack.enter_async_context(client(proxy.port)) for _ in range(10)]


async def ask(proxy: RunningProxy, peer: Peer, target: str, waiting: int | None = None) -> None:
    """Send a request; with `waiting`, return once so many wait for a connection."""
    await peer.send(f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    limit = proxy.worker.services["default"].limit
    assert limit is not None
    async with asyncio.timeout(PATIENCE_S):
        while waiting is not None and limit.waiting < waiting:  # noqa: ASYNC110  # no event tells of it
            await asyncio.sleep(0)


async def test_an_origin_never_sees_more_and_who_comes_first_is_served_first() -> None:
    origin = Gated()
    async with before(origin, max_connections=2, queue=8) as (proxy, peers):
        for number, peer in enumerate(peers):
            await ask(proxy, peer, f"/{number}", max(0, number - 1))
        for number, peer in enumerate(peers):
            origin.answer()
            assert (await peer.response())[1] == b"ok"
            await origin.has_seen(min(number + 3, 10))
        assert origin.targets == [f"/{number}" for number in range(10)]
        assert origin.most == 2
        assert origin.upstream.connections == 2


@pytest.mark.parametrize("response", [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"])
async def test_a_connection_that_closes_gives_its_place_to_the_next(response: bytes) -> None:
    origin = Gated(response)
    async with before(origin, max_connections=1, queue=9) as (proxy, peers):
        for number, peer in enumerate(peers):
            await ask(proxy, peer, f"/{number}", number)
        origin.answer(10)
        for peer in peers:
            assert (await peer.response())[1] == b"ok"
        assert origin.targets == [f"/{number}" for number in range(10)]
        assert origin.upstream.connections == 10


async def test_more_than_may_wait_are_refused() -> None:
    origin = Gated()
    async with before(origin, max_connections=1, queue=1) as (proxy, peers):
        await ask(proxy, peers[0], "/0")
        await origin.has_seen(1)
        await ask(proxy, peers[1], "/1", 1)
        await ask(proxy, peers[2], "/2")
        head, body = await peers[2].response()
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"queue_full" in body
        assert fields_of(head)["retry-after"] == ["1"]
        assert fields_of(head)["proxy-status"][0].startswith("onehop-test; error=connection_limit_reached; ")
        origin.answer(2)
        assert [(await peer.response())[1] for peer in peers[:2]] == [b"ok", b"ok"]


async def test_who_waits_too_long_is_refused_and_its_place_is_free() -> None:
    origin = Gated()
    async with before(origin, max_connections=1, queue=1, queue_s=0.1) as (proxy, peers):
        await ask(proxy, peers[0], "/0")
        await origin.has_seen(1)
        for _ in range(2):
            began = asyncio.get_running_loop().time()
            await ask(proxy, peers[1], "/1", 1)
            head, body = await peers[1].response()
            assert head.startswith(b"HTTP/1.1 503 ")
            assert b"queue_timeout" in body
            assert 0.09 < asyncio.get_running_loop().time() - began < 2.0, "the default is five seconds"
            assert "retry-after" in fields_of(head)
        origin.answer()
        assert (await peers[0].response())[1] == b"ok"
        assert [record.error for record in proxy.records] == ["queue_timeout", "queue_timeout", ""]
        assert origin.targets == ["/0"]


async def test_without_a_queue_nobody_waits() -> None:
    origin = Gated()
    async with before(origin, max_connections=1) as (proxy, peers):
        await ask(proxy, peers[0], "/0")
        await origin.has_seen(1)
        await ask(proxy, peers[1], "/1")
        assert b"queue_full" in (await peers[1].response())[1]
        origin.answer(2)
        assert (await peers[0].response())[1] == b"ok"
        await ask(proxy, peers[1], "/2")
        assert (await peers[1].response())[1] == b"ok"


async def test_a_client_that_leaves_gives_up_its_place_in_the_line() -> None:
    origin = Gated()
    async with before(origin, max_connections=1, queue=2) as (proxy, peers):
        await ask(proxy, peers[0], "/0")
        await origin.has_seen(1)
        await ask(proxy, peers[1], "/1", 1)
        await ask(proxy, peers[2], "/2", 2)
        peers[1].reset()
        await proxy.records.wait_for(1)
        assert proxy.records[0].error == "client_gone"
        origin.answer(2)
        assert (await peers[2].response())[1] == b"ok"
        assert origin.targets == ["/0", "/2"]


async def test_where_one_origin_is_full_another_is_used() -> None:
    one, other = Gated(), Gated()
    async with before(one, other, max_connections=2) as (proxy, peers):
        for number in range(4):
            await ask(proxy, peers[number], f"/{number}")
        await one.has_seen(2)
        await other.has_seen(2)
        one.answer(1)
        assert (await peers[0].response())[1] == b"ok"
        for number in (4, 5):  # by turns, the second would be the other's
            await ask(proxy, peers[number], f"/{number}")
            one.answer(2)
            await one.has_seen(number - 1)
        assert len(other.targets) == 2
        other.answer(2)


async def test_a_request_that_waits_for_any_origin_gets_the_first_that_is_free() -> None:
    one, other = Gated(), Gated()
    async with before(one, other, max_connections=1, queue=1, balance="least_requests") as (proxy, peers):
        for number in range(3):
            await ask(proxy, peers[number], f"/{number}", max(0, number - 1))
        await one.has_seen(1)
        await other.has_seen(1)
        other.answer(2)
        assert (await peers[2].response())[1] == b"ok"
        assert other.targets[1:] == ["/2"]
        one.answer()
        assert (await peers[0].response())[1] == b"ok"
        policy: Any = proxy.worker.services["default"]._balancing
        await proxy.records.wait_for(3)
        assert policy.under_way == {}


async def test_a_request_that_belongs_to_an_origin_waits_for_it() -> None:
    one, other = Gated(), Gated()
    async with before(one, other, max_connections=1, queue=1, balance="hash") as (proxy, peers):
        await ask(proxy, peers[0], "/0")
        await ask(proxy, peers[1], "/1", 1)  # from the same address
        one.answer(2)
        other.answer(2)
        assert (await peers[1].response())[1] == b"ok"
        assert sorted([one.targets, other.targets]) == [[], ["/0", "/1"]]


async def test_a_post_that_may_not_use_the_idle_connection_gets_its_place() -> None:
    origin = Gated()
    async with before(origin, max_connections=1, pool={"just_used_s": 0.0}) as (_, [peer, *_others]):
        origin.answer(2)
        await peer.send(GET)
        assert (await peer.response())[1] == b"ok"
        await peer.send(POST)
        assert (await peer.response())[1] == b"ok"
        assert origin.upstream.connections == 2


async def test_a_refused_connection_gives_its_place_back() -> None:
    async with running_proxy(1, upstream={"max_connections": 1}) as proxy, client(proxy.port) as peer:
        for _ in range(3):
            await peer.send(GET)
            assert b"connect_failed" in (await peer.response())[1]
        limit = proxy.worker.services["default"].limit
        assert limit is not None
        assert limit.taken(Origin("127.0.0.1", 1)) == 0


async def test_a_stale_connection_is_replaced_though_there_is_only_one_place() -> None:
    async def closes_on_the_second_request(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        await peer.head()
        peer.reset()

    upstream = ScriptedUpstream(closes_on_the_second_request, answering(OK))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, upstream={"max_connections": 1}) as proxy,
        client(proxy.port) as peer,
    ):
        for _ in range(2):
            await peer.send(GET)
            assert (await peer.response())[1] == b"ok"
