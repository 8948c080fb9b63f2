"""Clients and upstreams that break off anywhere, many at once: nothing is left behind, and nothing is a defect."""

import asyncio
import contextlib
import gc
import random

import pytest

from proxy.process.child_process import new_loop_runner
from proxy.transport.fiber import Fiber
from tests.harness.running_proxy import running_proxy
from tests.harness.waiting import until

ROUNDS = 12
AT_ONCE = 25
PATIENCE_S = 20.0


async def misbehave_upstream(rng: random.Random, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """LocalResponse requests well or badly until one of both has had enough."""
    while True:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        mood = rng.choice(("counted", "counted", "chunked", "early", "reset", "short", "cut"))
        if mood == "reset":
            return writer.transport.abort()
        if mood == "early":  # before the body was read
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly")
            if rng.random() < 0.5:
                return writer.close()
        while length > 0 and (data := await reader.read(min(length, 65_536))):
            length -= len(data)
        body = b"x" * rng.choice((0, 10, 100_000, 1_000_000))
        if mood == "counted":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        elif mood == "short":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body) + 5, body))
            return writer.close()
        elif mood in ("chunked", "cut"):
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            await writer.drain()
            if mood == "cut":
                return writer.transport.abort()
            writer.write(b"0\r\n\r\n")
        await writer.drain()


async def misbehave_client(rng: random.Random, port: int) -> None:
    """Send a few requests, some of them not whole, and leave in one of the ways in which clients leave."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for _ in range(rng.randrange(1, 4)):
            size = rng.choice((0, 10, 70_000, 1_000_000))
            head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size
            request = rng.choice((b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * rng.choice((1, 3)), head + b"z" * size))
            whole = rng.random() < 0.8
            writer.write(request if whole else request[: rng.randrange(len(request))])
            if not whole:
                break
            if rng.random() < 0.7:
                await reader.read(rng.choice((100, 200_000)))
        leaving = rng.choice(("reset", "close", "half-close"))
        if leaving == "reset":
            writer.transport.abort()
        elif leaving == "half-close":
            writer.write_eof()
            while await reader.read(65_536):
                pass
    finally:
        writer.close()


@pytest.mark.parametrize("reader", ["auto", "h11"])
def test_whoever_breaks_off_leaves_nothing_behind(reader: str) -> None:
    with new_loop_runner() as runner:  # uvloop, as where it serves
        runner.run(disorder(reader))


async def disorder(reader: str) -> None:
    rng = random.Random(reader)
    ended = (OSError, asyncio.IncompleteReadError, RuntimeError)  # the last is uvloop's word for a closed transport

    async def serve(from_proxy: asyncio.StreamReader, to_proxy: asyncio.StreamWriter) -> None:
        with contextlib.suppress(*ended), contextlib.closing(to_proxy):
            await misbehave_upstream(rng, from_proxy, to_proxy)

    async def visit(port: int) -> None:
        with contextlib.suppress(*ended):
            await misbehave_client(rng, port)

    faults: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    upstream = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with upstream, running_proxy(upstream.sockets[0].getsockname()[1], reader=reader) as proxy:
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(ROUNDS):
                await asyncio.gather(*(visit(proxy.port) for _ in range(AT_ONCE)))
        await until(lambda: not proxy.worker.clients)  # who left politely is served to the end, and says nothing
        assert not [record for record in proxy.records if record.status in (0, 500)]
        assert {record.error for record in proxy.records} >= {"", "client_gone", "upstream_closed"}
        upstream.close()
    assert not faults
    assert not [thing for thing in gc.get_objects() if isinstance(thing, Fiber) and not thing.ended]
