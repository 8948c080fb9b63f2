"""An exception that one exchange handles while it waits is nothing to anybody else, compiled or not."""

import asyncio
import sys

from proxy.downstream.phases import Phase
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import PATIENCE_S, Peer, ScriptedUpstream, raw_client

SIZE = 8 * 1024 * 1024


async def half_a_response(peer: Peer) -> None:
    await peer.head()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE + b"x" * (SIZE // 4))
    await peer.close()


async def test_a_response_that_was_cut_and_is_still_being_taken_leaves_its_exception_to_nobody() -> None:
    loop = asyncio.get_running_loop()
    async with ScriptedUpstream(half_a_response).serving() as upstream, running_proxy(upstream.port) as proxy:
        async with raw_client(proxy.port, 4096) as raw:
            raw.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            async with asyncio.timeout(PATIENCE_S):
                while [client.phase for client in proxy.worker.clients] != [Phase.DELIVERING]:
                    assert await loop.sock_recv(raw, 16_384)  # until the service's end has come through
                    await asyncio.sleep(0.001)  # `sock_recv` leaves no turn to the proxy while there is something
            handled: asyncio.Future[object] = loop.create_future()
            loop.call_soon(lambda: handled.set_result(sys.exc_info()[1]))
            assert await handled is None
        await proxy.records.wait_for(1)
    assert proxy.records[0].error == "response_body_cut"
