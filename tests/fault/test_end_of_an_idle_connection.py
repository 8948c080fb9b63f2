"""A service ends an idle connection, or says something on it, in the moment in which a request is about to take it."""

import asyncio
import socket

import pytest

from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, PATIENCE_S
from tests.harness.waiting import until

_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("last_word", [b"", _TIMED_OUT], ids=["its end", "408"])
@pytest.mark.parametrize("login", [b"", b"Authorization: NTLM TlRM\r\n"], ids=["the pool's", "of its own"])
async def test_a_post_does_not_take_a_connection_that_the_kernel_knows_to_be_over(
    login: bytes, last_word: bytes
) -> None:
    """The service's last word comes in the same moment as the request: the loop tells of the request first."""
    loop, post = asyncio.get_running_loop(), b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as peer:
        listening.setblocking(False)
        peer.setblocking(False)
        async with asyncio.timeout(PATIENCE_S), running_proxy(listening.getsockname()[1]) as proxy:
            await loop.sock_connect(peer, ("127.0.0.1", proxy.port))
            await loop.sock_sendall(peer, b"GET / HTTP/1.1\r\nHost: h\r\n" + login + b"\r\n")
            first, _ = await loop.sock_accept(listening)
            with first:
                assert await loop.sock_recv(first, 4096)
                await loop.sock_sendall(first, OK)
                assert await loop.sock_recv(peer, 4096)
                pool = proxy.worker.pool
                await until(lambda: len(pool) + len(pool.bound) == 1)
                peer.send(post)
                if last_word:
                    first.send(last_word)
                else:
                    first.close()
                second, _ = await loop.sock_accept(listening)
                with second:
                    assert (await loop.sock_recv(second, 4096)).startswith(b"POST / HTTP/1.1\r\n")
                    await loop.sock_sendall(second, OK)
                    assert (await loop.sock_recv(peer, 4096)).startswith(b"HTTP/1.1 200 ")
