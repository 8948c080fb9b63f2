"""Why a client's connection is closed behind its answer, where the worker, its upload or its neighbours are the reason."""

import asyncio
from collections.abc import Callable

import pytest

from proxy.downstream.phases import Phase
from proxy.policy import keeping
from proxy.policy.keeping import Keeping
from proxy.process.worker import Worker
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import OK, Peer, ScriptedUpstream, client, fields_of
from tests.harness.waiting import until

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
UPLOAD = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nfirst"


class Holding(ScriptedUpstream):
    """A service that answers when it is told to."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def _answer(self, peer: Peer) -> None:
        await peer.head()
        self.asked.set()
        await self.go_on.wait()
        await peer.send(OK)
        await peer.rest()


def why(proxy: RunningProxy) -> tuple[Keeping | None, list[Keeping | None]]:
    """Of the last exchange: what became of its client's connection, and of those to services."""
    seen = proxy.records[-1].seen
    assert seen is not None
    return seen.client, [attempt.connection for attempt in seen.attempts]


@pytest.mark.parametrize(
    ("leave", "pooled"),
    [(Worker.shut_down, keeping.POOLED), (Worker.retire, keeping.POOL_ENDED)],  # its pool ends last, or at once
)
async def test_a_worker_that_leaves_closes_the_clients_connection_behind_the_answer(
    leave: Callable[[Worker], None], pooled: Keeping
) -> None:
    upstream = Holding()
    async with upstream.serving(), running_proxy(upstream.port, observe=lambda _: None) as proxy:
        async with client(proxy.port) as peer:
            await peer.send(GET)
            await upstream.asked.wait()
            leave(proxy.worker)
            upstream.go_on.set()
            assert fields_of((await peer.response())[0])["connection"] == ["close"]
        await proxy.records.wait_for(1)
        assert why(proxy) == (keeping.LEAVING, [pooled])


async def test_a_worker_that_shuts_down_closes_behind_an_answer_of_its_own() -> None:
    async with running_proxy(9, observe=lambda _: None, routes={}) as proxy, client(proxy.port) as peer:
        await peer.send(GET[:-2])
        await until(lambda: any(each.phase is Phase.HEAD for each in proxy.worker.clients))
        proxy.worker.shut_down()
        await peer.send(GET[-2:])
        assert b" 404 " in (await peer.response())[0]
        await proxy.records.wait_for(1)
        assert why(proxy) == (keeping.LEAVING, [])


async def test_what_outlasts_the_shutdown_is_cut() -> None:
    upstream = Holding()
    async with upstream.serving():
        async with running_proxy(upstream.port, observe=lambda _: None, timeouts={"drain_s": 0.05}) as proxy:
            async with client(proxy.port) as peer:
                await peer.send(GET)
                await upstream.asked.wait()
                proxy.worker.shut_down()
                await proxy.worker.run_until_shut_down()
                assert await peer.rest() == b""
            await proxy.records.wait_for(1)
            assert why(proxy) == (keeping.STOPPED, [keeping.GIVEN_UP])
        upstream.go_on.set()


async def test_an_answer_before_the_end_of_its_upload_closes_both_connections() -> None:
    upstream = Holding()
    upstream.go_on.set()
    async with upstream.serving(), running_proxy(upstream.port, observe=lambda _: None) as proxy:
        async with client(proxy.port) as peer:
            await peer.send(UPLOAD)
            assert fields_of((await peer.response())[0])["connection"] == ["close"]
        await proxy.records.wait_for(1)
        assert why(proxy) == (keeping.UPLOAD_UNFINISHED, [keeping.NOT_SENT])


async def test_an_answer_of_our_own_before_the_end_of_its_upload_closes_the_connection() -> None:
    async with running_proxy(9, observe=lambda _: None, routes={}) as proxy, client(proxy.port) as peer:
        await peer.send(UPLOAD)
        assert b" 404 " in (await peer.response())[0]
        await proxy.records.wait_for(1)
        assert why(proxy) == (keeping.UPLOAD_UNFINISHED, [])
