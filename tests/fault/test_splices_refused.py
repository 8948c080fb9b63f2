"""Large bodies that are moved within the kernel, where it refuses, or tells of a reset that the loop is not told of."""

import asyncio
import contextlib
import errno
import os
import socket

import pytest

from tests.fault.splices import BODY, GET, POST, RESPONSE, SIZE, Watched, proxying, reset, reset_while_written_to
from tests.harness.loops import on_both_loops
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import PATIENCE_S, Peer, ScriptedUpstream, answering, client, raw_client

# -- resets that the loop is not told of: the kernel tells once, and says then that the connection has ended -------


@on_both_loops
async def test_a_reset_met_in_writing_an_upload_is_no_clean_end_of_the_response(watched: Watched) -> None:
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        async with running_proxy(listening.getsockname()[1]) as proxy, client(proxy.port) as peer:
            sending = asyncio.create_task(peer.send(POST))
            service, _ = await loop.sock_accept(listening)
            await watched.until_blocked()
            await loop.sock_sendall(service, b"HTTP/1.1 200 OK\r\n\r\nhalf")
            await peer.head()
            await reset_while_written_to(watched, service)
            assert await peer.rest() == b"4\r\nhalf\r\n"
            await proxy.records.wait_for(1)
            assert proxy.records[0].error == "response_body_cut"
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


@on_both_loops
async def test_a_reset_met_in_reading_an_upload_is_a_client_that_is_gone(watched: Watched) -> None:
    async def script(peer: Peer) -> None:
        await peer.rest()

    async with proxying(ScriptedUpstream(script)) as proxy, raw_client(proxy.port) as raw:
        watched.before = lambda from_pipe: None if from_pipe or raw.fileno() < 0 else reset(raw)
        raw.send(POST[:100])
        async with asyncio.timeout(PATIENCE_S):
            while raw.fileno() >= 0:
                with contextlib.suppress(BlockingIOError):
                    raw.send(BODY[:65_536])
                await asyncio.sleep(0)
        await proxy.records.wait_for(1)
        assert proxy.records[0].error == "client_gone"


# -- where the kernel refuses ------------------------------------------------------------------------------------


@pytest.mark.parametrize("refused", [errno.EINVAL, errno.EPERM, errno.ENOSYS], ids=["EINVAL", "EPERM", "ENOSYS"])
@pytest.mark.parametrize("from_pipe", [False, True], ids=["at the source", "at the sink"])
@on_both_loops
async def test_what_the_kernel_does_not_move_is_read_and_written(
    watched: Watched, refused: int, from_pipe: bool
) -> None:
    watched.refusal, watched.refuses_from_pipe = refused, from_pipe
    async with proxying(ScriptedUpstream(answering(RESPONSE, RESPONSE))) as proxy, client(proxy.port) as peer:
        for _ in range(2):
            await peer.send(GET)
            assert (await peer.response())[1] == BODY
        assert proxy.worker.deadlines.most_splices == 0
        assert [record.response_bytes for record in proxy.records] == [SIZE, SIZE]


@on_both_loops
async def test_what_the_kernel_no_longer_moves_to_a_slow_client_is_written(watched: Watched) -> None:
    async with proxying(ScriptedUpstream(answering(RESPONSE))) as proxy, client(proxy.port) as peer:
        await peer.send(GET)
        peer.pause_reading()
        await watched.until_blocked()
        watched.refusal, watched.refuses_from_pipe = errno.EINVAL, True
        peer.resume_reading()
        assert (await peer.response())[1] == BODY


@on_both_loops
async def test_without_descriptors_a_body_is_read_and_written(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(flags: int) -> tuple[int, int]:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "pipe2", none_left)
    async with proxying(ScriptedUpstream(answering(RESPONSE))) as proxy, client(proxy.port) as peer:
        await peer.send(GET)
        assert (await peer.response())[1] == BODY
        assert watched.moved == 0


@on_both_loops
async def test_no_more_bodies_than_allowed_are_moved_at_once(watched: Watched) -> None:
    async with proxying(ScriptedUpstream(answering(RESPONSE))) as proxy:
        proxy.worker.deadlines.most_splices = 1
        async with client(proxy.port) as slow, client(proxy.port) as other:
            await slow.send(GET)
            slow.pause_reading()
            await watched.until_blocked()
            assert proxy.worker.deadlines.splices == 1
            moved = watched.moved
            await other.send(GET)
            assert (await other.response())[1] == BODY
            assert watched.moved == moved
            slow.resume_reading()
            assert (await slow.response())[1] == BODY
