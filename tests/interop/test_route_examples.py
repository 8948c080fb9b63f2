"""The examples of docs/several-services.md, single-page-app.md, websockets.md, canary.md, maintenance-page.md and redirects.md,
run and asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.harness.examples import curl, running_example
from tests.harness.processes import OnehopProcess
from tests.harness.scripted import PATIENCE_S, Peer, ScriptedUpstream, fields_of

pytestmark = pytest.mark.interop

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
WEBSOCKET = (
    "--header", "Connection: Upgrade", "--header", "Upgrade: websocket", "--header", "Sec-WebSocket-Version: 13",
    "--header", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)  # fmt: skip


class Service:
    """Answers 200 with its name and the head that it was sent, or 101 to an upgrade."""

    def __init__(self, name: str) -> None:
        self._name = name.encode()
        self.heads: list[bytes] = []
        self.asked = asyncio.Event()
        self.upstream = ScriptedUpstream(self._serve)

    async def _serve(self, peer: Peer) -> None:
        while True:
            try:
                head = await peer.head()
                length = int(fields_of(head).get("content-length", ["0"])[0])
                await peer.exactly(length)
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            self.heads.append(head)
            self.asked.set()
            if b"Upgrade: websocket" in head:
                await peer.send(SWITCH)
                return
            body = self._name + b" " + head.replace(b"\r\n", b"\n")
            place = b"Location: /login\r\nSet-Cookie: a=1; Path=/\r\n"
            await peer.send(b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (place, len(body), body))


@asynccontextmanager
async def example(name: str, folder: Path, *names: str) -> AsyncIterator[tuple[OnehopProcess, list[Service]]]:
    """The example, with a service for each of the ports from 9000 on."""
    async with AsyncExitStack() as stack:
        services = [Service(each) for each in names]
        ports = {}
        for number, service in enumerate(services):
            await stack.enter_async_context(service.upstream.serving())
            ports[9000 + number] = service.upstream.port
        yield await stack.enter_async_context(running_example(name, folder, ports)), services


async def test_several_services(tmp_path: Path) -> None:
    async with example("two-services-by-path", tmp_path, "api", "site", "site") as (proxy, _):
        assert "\r\n\r\napi GET /api/orders HTTP/1.1\n" in (await curl(f"{proxy.url}/api/orders"))[1]
        assert "\r\n\r\nsite GET / HTTP/1.1\n" in (await curl(f"{proxy.url}/"))[1]
        assert "\r\n\r\nsite GET /apix HTTP/1.1\n" in (await curl(f"{proxy.url}/apix"))[1]


async def test_a_single_page_app(tmp_path: Path) -> None:
    async with example("single-page-app", tmp_path, "files", "api") as (proxy, _):
        page = (await curl(f"{proxy.url}/"))[1]
        assert "\r\n\r\nfiles GET / HTTP/1.1\n" in page
        assert "X-Content-Type-Options: nosniff\r\n" in page
        answer = (await curl(f"{proxy.url}/api/orders?page=2"))[1]
        assert "\r\n\r\napi GET /orders?page=2 HTTP/1.1\n" in answer
        assert "X-Forwarded-Prefix: /api\n" in answer
        assert "Location: /api/login\r\n" in answer
        assert "Set-Cookie: a=1; Path=/api\r\n" in answer
        upload = (await curl("--data", "x" * 1000, f"{proxy.url}/api/uploads"))[1]
        assert "\r\n\r\napi POST /uploads HTTP/1.1\n" in upload
        assert (await curl(*WEBSOCKET, "--max-time", "1", f"{proxy.url}/api/live"))[0] == 101
        assert (await curl(*WEBSOCKET, f"{proxy.url}/api/orders"))[0] == 200


async def test_websockets(tmp_path: Path) -> None:
    async with example("websockets", tmp_path, "chat") as (proxy, _):
        status, answer = await curl(*WEBSOCKET, "--max-time", "1", f"{proxy.url}/")
        assert status == 101
        assert "Upgrade: websocket\r\n" in answer
        assert (await curl(f"{proxy.url}/"))[0] == 200


async def test_a_canary(tmp_path: Path) -> None:
    async with example("canary", tmp_path, "stable", "canary", "shadow") as (proxy, (stable, canary, shadow)):
        many = [f"{proxy.url}/?{number}" for number in range(200)]
        _, answer = await curl(*many)
        assert answer.count("\r\n\r\nstable GET ") + answer.count("\r\n\r\ncanary GET ") == 200
        assert 2 <= len(canary.heads) <= 60
        assert len(stable.heads) + len(canary.heads) == 200
        async with asyncio.timeout(PATIENCE_S):
            await shadow.asked.wait()
        for _ in range(3):
            assert "\r\n\r\ncanary GET " in (await curl("--header", "X-Env: canary", f"{proxy.url}/"))[1]


async def test_a_maintenance_page(tmp_path: Path) -> None:
    async with example("maintenance", tmp_path) as (proxy, _):
        status, answer = await curl(f"{proxy.url}/any/page")
        assert status == 503
        assert "Content-Type: text/html; charset=utf-8\r\n" in answer
        assert "Retry-After: 3600\r\n" in answer
        assert "We are back at noon." in answer
        assert (await curl(f"{proxy.url}/healthz"))[1].endswith("\r\n\r\nok")
        status, answer = await curl("--header", "X-Staff: 1", f"{proxy.url}/")
        assert status == 502, "nobody listens there"
        request_id = fields_of(answer.partition("\r\n\r\n")[0].encode() + b"\r\n\r\n")["x-request-id"][0]
        assert f"say <code>{request_id}</code>" in answer


REDIRECTS = [
    # host               target               status  Location
    ("www.example.com",  "/a%2Fb?c=d",        301,    "https://example.com/a%2Fb?c=d"),
    ("example.com",      "/blog/2026?a=b",    308,    "https://blog.example.com/2026?a=b"),
    ("example.com",      "/docs/x",           302,    "/help?from=/docs/x"),
]  # fmt: skip


async def test_redirects(tmp_path: Path) -> None:
    async with example("redirects", tmp_path, "app") as (proxy, _):
        for host, target, expected, location in REDIRECTS:
            status, answer = await curl("--header", f"Host: {host}", proxy.url + target)
            assert status == expected
            assert f"Location: {location}\r\n" in answer
        assert "\r\n\r\napp GET /users/7?x HTTP/1.1\n" in (await curl(f"{proxy.url}/u/7?x"))[1]
        assert "\r\n\r\napp GET /u/me HTTP/1.1\n" in (await curl(f"{proxy.url}/u/me"))[1]
        assert (await curl("--request", "POST", f"{proxy.url}/docs"))[0] == 200
