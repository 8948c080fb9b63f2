"""The suite itself: over a relay that passes every byte on, the cases must fail; the reader takes no bad bytes."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest

from tests.conformance.cases import CASES
from tests.conformance.lanes import run_cases
from tests.conformance.matrix import page
from tests.conformance.play import Play
from tests.conformance.steps import Signal
from tests.conformance.upstream import Upstream
from tests.harness.loops import on_both_loops
from tests.harness.scripted import PATIENCE_S
from tests.harness.strict import Incomplete, Violation
from tests.harness.wire import Wire, request_head, response


@asynccontextmanager
async def relay(upstream_port: int, _: str) -> AsyncIterator[int]:
    """No proxy at all: bytes go through."""
    tasks: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", upstream_port)
        tasks.update((asyncio.create_task(pump(reader, up_writer)), asyncio.create_task(pump(up_reader, writer))))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_relay_without_rules_fails_where_a_field_must_not_survive_its_hop() -> None:
    cases = [case for case in CASES if case.id.startswith(("request-nominated-", "response-nominated-"))]
    results = await run_cases(cases, relay, promised=False, lanes=8)
    passed = {case_id for case_id, result in results.items() if not result.faults}
    # What it passes are the cases in which nothing has to be taken off.
    assert passed <= {
        "request-nominated-and-absent", "request-nominated-host", "request-nominated-content-length",
        "request-nominated-transfer-encoding", "request-nominated-via", "response-nominated-content-length",
        "response-nominated-transfer-encoding", "request-nominated-second",
    }, passed  # fmt: skip
    assert len(results) - len(passed) > 50


@on_both_loops
@pytest.mark.parametrize("answer_bytes", [100_000, 8_000_000], ids=["kernel", "buffer"])
async def test_a_case_ends_once_the_proxy_can_know_that_its_connections_have_ended(answer_bytes: int) -> None:
    """The end of one waits behind bytes that the kernel holds, or that our own loop still does."""
    loop = asyncio.get_running_loop()
    upstream = Upstream()
    await upstream.start()
    upstream.play = Play(replace(CASES[0], upstream=((bytes(answer_bytes), Signal("sent")),)), PATIENCE_S)
    try:
        with socket.socket() as proxy:
            proxy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            proxy.setblocking(False)
            async with asyncio.timeout(PATIENCE_S):
                await loop.sock_connect(proxy, ("127.0.0.1", upstream.port))
                await loop.sock_sendall(proxy, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                await upstream.play.event("sent").wait()
                retired = asyncio.create_task(upstream.retire(0.0))
                assert not (await asyncio.wait([retired], timeout=0.05))[0], "the next case would begin on it"
                received = 0
                while count := len(await loop.sock_recv(proxy, 1_000_000)):
                    received += count
                await retired
        assert received == answer_bytes
    finally:
        await upstream.stop()


def test_every_level_and_group_is_in_the_matrix() -> None:
    text = page(CASES, {"none": {}}, {"none": "0"}, [])
    assert all(case.id in text and case.group in text for case in CASES)
    assert len(CASES) > 200


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\nHost: h\n\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX : 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: 1\r\n 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: 1\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
    ],
)
async def test_the_strict_reader_refuses_a_bad_request(raw: bytes) -> None:
    with pytest.raises(Violation):
        await request_head(_wire(raw))


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokX\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"220 smtp\r\n\r\n",
    ],
)
async def test_the_strict_reader_refuses_a_bad_response(raw: bytes) -> None:
    with pytest.raises(Violation):
        await response(_wire(raw), "GET")


async def test_a_cut_body_is_not_complete() -> None:
    cut = await response(_wire(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok"), "GET")
    assert cut is not None and not cut.complete
    with pytest.raises(Incomplete):
        await response(_wire(b"HTTP/1.1 200 OK\r\nContent"), "GET")


def _wire(raw: bytes) -> Wire:
    reader = asyncio.StreamReader()
    reader.feed_data(raw)
    reader.feed_eof()
    return Wire(reader, None)  # type: ignore[arg-type]  # nothing is sent
