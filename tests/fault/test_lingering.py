"""A client that writes all of its request before it reads: however much and however slowly, it gets its answer."""

import asyncio
import socket
import time

import pytest

from tests.fault.test_last_words import REFUSAL, refuse, service, until_end
from tests.harness.loops import on_both_loops
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import PATIENCE_S

CLOSED_PORT = 1
LINGER_S = 0.6


def writing_first(port: int, size: int, piece: int, pause_s: float = 0.0) -> bytes:
    """Write everything, then read. A reset while writing is a failure: it would have destroyed the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(0, size, piece):
            client.sendall(b"x" * piece)
            time.sleep(pause_s)
        return until_end(client)


LARGE = (64 * 1024 * 1024, 1024 * 1024, 0.0)
SLOW = (10_000, 500, 0.1)  # two seconds, and never silent for as long as LINGER_S


@pytest.mark.parametrize(("size", "piece", "pause_s"), [LARGE, SLOW], ids=["large", "slow"])
@on_both_loops
async def test_a_request_that_is_too_large_is_told_so(size: int, piece: int, pause_s: float) -> None:
    async with running_proxy(
        CLOSED_PORT, limits={"request_body_bytes": 1000}, timeouts={"linger_s": LINGER_S}
    ) as proxy:
        answer = await asyncio.to_thread(writing_first, proxy.port, size, piece, pause_s)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.rstrip().endswith(proxy.records[0].request_id.encode())


@pytest.mark.parametrize(("size", "piece", "pause_s"), [LARGE, SLOW], ids=["large", "slow"])
@on_both_loops
async def test_a_service_that_cannot_be_reached_is_told(size: int, piece: int, pause_s: float) -> None:
    async with running_proxy(CLOSED_PORT, timeouts={"linger_s": LINGER_S}) as proxy:
        answer = await asyncio.to_thread(writing_first, proxy.port, size, piece, pause_s)
    assert answer.startswith(b"HTTP/1.1 502 ")


@pytest.mark.parametrize(("size", "piece", "pause_s"), [LARGE, SLOW], ids=["large", "slow"])
@on_both_loops
async def test_a_services_early_refusal_arrives(size: int, piece: int, pause_s: float) -> None:
    with service(refuse(REFUSAL)) as port:
        async with running_proxy(port, timeouts={"linger_s": LINGER_S}) as proxy:
            answer = await asyncio.to_thread(writing_first, proxy.port, size, piece, pause_s)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert answer.endswith(b"no!\n")


@on_both_loops
async def test_a_large_refusal_arrives_too() -> None:
    page = b"p" * 3_000_000  # more than is queued for a client that does not read

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.recv(8192)
            head = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(page)
            connection.sendall(head + page)
            until_end(connection)

    with service(serve) as port:
        async with running_proxy(port, timeouts={"client_write_idle_s": 3.0}) as proxy:
            answer = await asyncio.to_thread(writing_first, proxy.port, *LARGE[:2])
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.endswith(b"\r\n\r\n" + page)


@on_both_loops
async def test_a_client_that_never_ends_its_side_is_closed() -> None:
    async with running_proxy(
        CLOSED_PORT, limits={"request_body_bytes": 1000}, timeouts={"linger_total_s": 0.5}
    ) as proxy:
        with pytest.raises(ConnectionError):
            await asyncio.to_thread(writing_first, proxy.port, 1 << 40, 65_536)
        await proxy.records.wait_for(1)
