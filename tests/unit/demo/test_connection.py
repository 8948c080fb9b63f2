"""Clients of the demo service that make mistakes, change their mind, or vanish."""

import asyncio
import json
import socket
import struct

import pytest
import uvloop

from proxy.demo.service import start_demo_service
from tests.unit.demo.clients import connected, fetch, get

VANISHING = [
    get("/bytes/10000000000"),
    get("/slow/300"),
    get("/events?ms=20"),
    get("/upload", "Content-Length: 9", method="PUT") + b"1",
    b"GET / HT",
]


@pytest.mark.asyncio
async def test_unwanted_body_does_not_become_a_request(service: int) -> None:
    async with connected(service) as client:
        unwanted = b"GET /hop HTTP/1.1\r\n\r\n..."
        await client.send(get("/status/200", "Content-Length: 24", method="POST") + unwanted)
        await client.send(get("/status/418"))
        assert (await client.answer())[0].startswith(b"HTTP/1.1 200 ")
        assert (await client.answer())[0].startswith(b"HTTP/1.1 418 ")


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/nope", 404),
        ("/assets/page.html", 404),
        ("/assets/../service.py", 404),
        ("//hop", 404),
        ("/hop/", 404),
        ("http://[/", 404),
        ("/upload", 405),
        ("/bytes/", 400),
        ("/bytes/10737418241", 400),
        ("/bytes/-1", 400),
        ("/slow/301", 400),
        ("/slow/nan", 400),
        ("/status/199", 400),
        ("/status/600", 400),
        ("/stream?n=x", 400),
        ("/stream?n=1000000&ms=60000", 400),
    ],
)
@pytest.mark.asyncio
async def test_what_cannot_be_answered_is_refused_in_json(service: int, target: str, status: int) -> None:
    head, body = await fetch(service, get(target))
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert "error" in json.loads(body)
    assert body.endswith(b"\n")


@pytest.mark.asyncio
async def test_nonsense_is_answered_with_400(service: int) -> None:
    async with connected(service) as client:
        await client.send(b"\0\r\n\r\n")
        assert (await client.rest()).startswith(b"HTTP/1.1 400 ")


@pytest.mark.asyncio
async def test_head_without_end_is_answered_with_431(service: int) -> None:
    async with connected(service) as client:
        await client.send(b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000)
        assert (await client.rest()).startswith(b"HTTP/1.1 431 ")


@pytest.mark.asyncio
async def test_client_that_half_closes_is_owed_its_answer(service: int) -> None:
    async with connected(service) as client:
        await client.send(get("/slow/0.02"))
        client.writer.write_eof()
        assert (await client.rest()).endswith(b"\r\n\r\nThis took 0.02 s.\n")


# The fixture waits for the service's tasks when the client has gone, and fails at any complaint of the loop.
@pytest.mark.parametrize("request_bytes", VANISHING)
@pytest.mark.asyncio
async def test_client_that_vanishes_takes_its_task_along(service: int, request_bytes: bytes) -> None:
    await vanish(service, request_bytes)


@pytest.mark.asyncio
async def test_client_that_closes_in_good_order_ends_the_events(service: int) -> None:
    async with connected(service) as client:
        await client.send(get("/events?ms=20"))
        await client.exactly(100)


async def vanish(port: int, request_bytes: bytes) -> None:
    """Send, hear the beginning of an answer that would be long, and reset the connection."""
    async with connected(port) as client:
        await client.send(request_bytes)
        if b"/bytes" in request_bytes or b"/events" in request_bytes:
            await client.exactly(100)
        no_linger = struct.pack("ii", 1, 0)
        client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)


def test_service_runs_on_uvloop_too() -> None:
    complaints: list[dict[str, object]] = []

    async def visit() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
        server = await start_demo_service(socket.create_server(("127.0.0.1", 0)))
        port = server.sockets[0].getsockname()[1]
        assert len((await fetch(port, get("/bytes/3000000")))[1]) == 3_000_000
        assert (await fetch(port, get("/stream?n=2&ms=1")))[0].startswith(b"HTTP/1.1 200 ")
        for request_bytes in VANISHING:
            await vanish(port, request_bytes)
        server.close()
        async with asyncio.timeout(10):
            while conversations := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(conversations)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(visit())
    assert complaints == []
