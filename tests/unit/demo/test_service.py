"""Each endpoint of the demo service, asked over real sockets."""

import asyncio
import hashlib
import json
import sys

import pytest

from tests.unit.demo.clients import PATIENCE_S, connected, fetch, get

pytestmark = pytest.mark.asyncio


async def test_echo_tells_names_and_order_as_they_were_on_the_wire(service: int) -> None:
    async with connected(service) as client:
        await client.send(
            b"POST /echo?x=%41 HTTP/1.1\r\nhOsT: demo\r\nX-B: 1\r\nx-a: \xe9\r\nX-B: 2\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n"
        )
        head, body = await client.answer()
        assert b"\r\nContent-Type: application/json\r\n" in head
        assert body.endswith(b"}\n")
        told = json.loads(body)
        assert told == {
            "method": "POST",
            "target": "/echo?x=%41",
            "http_version": "1.1",
            "fields": [
                ["hOsT", "demo"],
                ["X-B", "1"],
                ["x-a", "é"],
                ["X-B", "2"],
                ["Transfer-Encoding", "chunked"],
            ],
            "body_bytes": 3,
            "body_sha256": hashlib.sha256(b"abc").hexdigest(),
            "body": "abc",
            "trailers": [["X-Sum", "7"]],
            "client_port": client.writer.get_extra_info("sockname")[1],
            "requests_on_connection": 1,
        }
        await client.send(get("/echo"))
        again = json.loads((await client.answer())[1])
        assert (again["client_port"], again["requests_on_connection"]) == (told["client_port"], 2)


@pytest.mark.parametrize(
    ("body", "echoed"), [(b"", ""), (b"x" * 4096, "x" * 4096), (b"x" * 4097, None), (b"\xff", None)]
)
async def test_echo_repeats_only_short_text(service: int, body: bytes, echoed: str | None) -> None:
    _, answer = await fetch(service, get("/echo", f"Content-Length: {len(body)}", method="PUT") + body)
    assert json.loads(answer)["body"] == echoed


async def test_http_1_0_is_answered_and_closed(service: int) -> None:
    async with connected(service) as client:
        await client.send(b"GET http://demo/stream?n=2&ms=1 HTTP/1.0\r\n\r\n")
        head, _, body = (await client.rest()).partition(b"\r\n\r\n")
        assert b"chunked" not in head
        assert body == b"line 1 of 2\nline 2 of 2\n"


async def test_hop_is_full_of_fields_for_one_hop(service: int) -> None:
    async with connected(service) as client:
        await client.send(get("/hop"))
        head, _, body = (await client.rest()).partition(b"\r\n\r\n")
    assert head.endswith(
        b"\r\nConnection: close, X-Internal, Set-Cookie\r\nX-Internal: 1\r\nSet-Cookie: leak=1"
        b"\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nProxy-Connection: keep-alive"
        b"\r\nTrailer: X-T\r\nUpgrade: h2c\r\nTE: trailers\r\nX-Kept: yes"
    )
    assert b"\r\nContent-Length: %d\r\n" % len(body) in head


async def test_hop_kept_open_takes_another_request(service: int) -> None:
    async with connected(service) as client:
        for _ in range(2):
            await client.send(get("/hop?keep"))
            head, _ = await client.answer()
            assert b"\r\nConnection: X-Internal, Set-Cookie\r\n" in head


async def test_stream_is_chunked_line_by_line(service: int) -> None:
    head, body = await fetch(service, get("/stream?n=2&ms=5"))
    assert b"\r\nTransfer-Encoding: chunked" in head
    assert body == b"c\r\nline 1 of 2\n\r\nc\r\nline 2 of 2\n\r\n0\r\n\r\n"


async def test_events_come_in_chunks_of_their_own(service: int) -> None:
    async with connected(service) as client:
        await client.send(get("/events?ms=30"))
        assert b"\r\nContent-Type: text/event-stream\r\n" in await client.head()
        for n in (1, 2):
            async with asyncio.timeout(PATIENCE_S):
                event = await client.reader.readuntil(b"\n\n\r\n")
            assert event == b"14\r\nid: %d\ndata: tick %d\n\n\r\n" % (n, n)


async def test_websocket_echoes_pongs_and_closes(service: int) -> None:
    async with connected(service) as client:
        await client.send(
            get("/ws", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
            + b"\x81\x82\0\0\0\0hi"
        )  # fmt: skip
        head = await client.head()
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head
        assert b"Protocol:" not in head
        await client.send(b"\x82\x81\0\0\0\0\xff" + b"\x89\x81\0\0\0\0p" + b"\x88\x82\0\0\0\0\x03\xe8")
        assert await client.rest() == b"\x81\x02hi" + b"\x82\x01\xff" + b"\x8a\x01p" + b"\x88\x02\x03\xe8"


async def test_websocket_frame_against_the_rules_is_answered_with_close(service: int) -> None:
    async with connected(service) as client:
        await client.send(
            get("/ws", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
        )  # fmt: skip
        await client.head()
        await client.send(b"\x81\x02hi")  # not masked
        assert (await client.rest())[:1] == b"\x88"


async def test_ws_without_handshake_is_426_and_the_connection_goes_on(service: int) -> None:
    async with connected(service) as client:
        for _ in range(2):
            await client.send(get("/ws", "Connection: Upgrade", "Upgrade: websocket"))
            head, _ = await client.answer()
            assert head.startswith(b"HTTP/1.1 426 ")


async def test_early_hints_come_first_with_a_nominated_field(service: int) -> None:
    async with connected(service) as client:
        await client.send(get("/early-hints"))
        assert await client.head() == (
            b"HTTP/1.1 103 Early Hints\r\nLink: </assets/demo.css>; rel=preload; as=style\r\n"
            b"Connection: X-Internal\r\nX-Internal: 1\r\n\r\n"
        )
        assert (await client.answer())[0].startswith(b"HTTP/1.1 200 ")


async def test_trailers_follow_the_chunks(service: int) -> None:
    async with connected(service) as client:
        await client.send(get("/trailers"))
        assert b"\r\nTrailer: X-Checksum\r\nConnection: X-Internal\r\n" in await client.head()
        body = await client.head()
    digest = hashlib.sha256(b"Trailers follow.\n").hexdigest().encode()
    trailers = b"X-Checksum: sha256=" + digest + b"\r\nX-Internal: 1\r\n\r\n"
    assert body == b"11\r\nTrailers follow.\n\r\n0\r\n" + trailers


@pytest.mark.parametrize("size", [0, 1, 262_144, 600_001])
async def test_bytes_are_as_many_as_asked_for(service: int, size: int) -> None:
    head, body = await fetch(service, get(f"/bytes/{size}"))
    assert b"\r\nContent-Length: %d\r\n" % size in head
    assert body == (bytes(range(256)) * (size // 256 + 1))[:size]


@pytest.mark.parametrize("target", ["/", "/bytes/5", "/stream", "/events", "/trailers", "/favicon.ico"])
async def test_head_has_no_body(service: int, target: str) -> None:
    head, body = await fetch(service, get(target, method="HEAD"))
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body == b""


async def test_slow_waits(service: int) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    _, body = await fetch(service, get("/slow/0.05"))
    assert body == b"This took 0.05 s.\n"
    assert loop.time() - began >= 0.049  # clocks are granular


@pytest.mark.parametrize("status", [200, 204, 304, 404, 418, 503, 599])
async def test_status_is_the_one_asked_for(service: int, status: int) -> None:
    async with connected(service) as client:
        await client.send(get(f"/status/{status}"))
        head = await client.head()
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert (b"Content-Length: 4\r\n" in head) == (status not in {204, 304})


async def test_upload_counts_the_body_and_sends_100_only_where_expected(service: int) -> None:
    async with connected(service) as client:
        await client.send(get("/upload", "Expect: 100-continue", "Content-Length: 300000", method="PUT"))
        assert await client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"u" * 300_000)
        _, body = await client.answer()
        assert json.loads(body) == {"bytes": 300_000, "sha256": hashlib.sha256(b"u" * 300_000).hexdigest()}
        await client.send(get("/status/413", "Expect: 100-continue", "Content-Length: 9", method="PUT"))
        head, _, _ = (await client.rest()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 413 ")
        assert b"\r\nConnection: close" in head


async def test_without_wsproto_only_the_websocket_echo_is_missing(
    service: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "wsproto" or name == "proxy.demo.websocket"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "wsproto", None)
    head, body = await fetch(service, get("/ws"))
    assert head.startswith(b"HTTP/1.1 501 ")
    assert b"onehop[demo]" in body
    assert (await fetch(service, get("/")))[0].startswith(b"HTTP/1.1 200 ")
