"""The status page in a real browser: it follows an origin that is killed and comes back, and shows the configuration."""

import asyncio
import contextlib
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.conftest import require_programs
from tests.harness.processes import onehop
from tests.harness.programs.browser import barriers, page_of
from tests.harness.programs.process import free_port
from tests.harness.scripted import PATIENCE_S, client
from tests.unit.admin.serving import Admin

pytestmark = pytest.mark.interop

SERVICE = """
import http.server, sys
class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Service)
print("ready", flush=True)
server.serve_forever()
"""


@asynccontextmanager
async def service(port: int) -> AsyncIterator[None]:
    """A service as a process of its own; leaving kills it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVICE, str(port), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    try:
        yield
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def watched(folder: Path, *ports: int, checked: bool = True, **how: object) -> AsyncIterator[tuple[int, Page]]:
    """onehop before these services, and the page; yields the proxy's port, too."""
    admin, file = free_port(), folder / "onehop.toml"
    urls = ", ".join(f'"http://127.0.0.1:{port}"' for port in ports)
    check = "[upstreams.app.health_check]\ninterval_s = 0.1\ntimeout_s = 20\nrise = 1\nfall = 1\n"
    file.write_text(
        f'listen = "127.0.0.1:0"\nworkers = 2\n[admin]\nlisten = "127.0.0.1:{admin}"\n'
        f"[upstreams.app]\nurls = [{urls}]\n{check if checked else ''}"
        '[routes.all]\nupstream = "app"\nrequest_fields = { put = { X-Key = "hunter2" } }\n'
    )
    async with onehop("run", "--config", str(file)) as proxy:
        while (await Admin(admin).get("/readyz"))[0] != 200:  # noqa: ASYNC110  # another process says so
            await asyncio.sleep(0.02)
        async with page_of(f"http://127.0.0.1:{admin}/", **how) as page:
            page.set_default_timeout(PATIENCE_S * 1000)
            expect.set_options(timeout=PATIENCE_S * 1000)
            await expect(page.locator("#state")).to_have_text(re.compile("^live"))
            yield proxy.port, page


@asynccontextmanager
async def reserved_port() -> AsyncIterator[int]:
    """A port that a service may listen on again and again: nobody else is given it in between."""
    with socket.socket() as holding:
        holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holding.bind(("127.0.0.1", 0))
        yield int(holding.getsockname()[1])


async def ask(port: int) -> None:
    async with client(port) as peer:
        await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert b" 200 " in (await peer.response())[0]


async def test_it_follows_an_origin_that_is_killed_and_comes_back(tmp_path: Path) -> None:
    require_programs("chromium")
    stays = free_port()
    async with service(stays), reserved_port() as dies, contextlib.AsyncExitStack() as alive:
        await alive.enter_async_context(service(dies))
        async with watched(tmp_path, stays, dies) as (proxy, page):
            row = page.locator("#upstreams tbody tr", has_text=f"127.0.0.1:{dies}")
            await expect(row.locator(".state")).to_have_text(re.compile("^up"))
            await expect(page.locator("#judgement")).to_have_text("No problems")
            await alive.aclose()
            await expect(row.locator(".state")).to_have_text(re.compile("^down"))
            await expect(row).to_contain_text("refused")
            await expect(page.locator("#problems")).to_contain_text(f"app: 127.0.0.1:{dies}")
            await ask(proxy)
            async with service(dies):
                await expect(row.locator(".state")).to_have_text(re.compile("^up"))
                await expect(page.locator("#judgement")).to_have_text("No problems")
                for _ in range(4):
                    await ask(proxy)
                await expect(page.locator("#routes tr td").last).to_have_text("5")


async def test_without_health_checks_a_dead_origin_is_seen_by_the_first_request_that_fails(tmp_path: Path) -> None:
    require_programs("chromium")
    async with reserved_port() as dies, watched(tmp_path, dies, checked=False) as (proxy, page):
        row = page.locator("#upstreams tbody tr", has_text=f"127.0.0.1:{dies}")
        await expect(row.locator(".state")).to_have_text(re.compile("^up"))
        for said in ("failed last", "failing", "failing"):
            async with client(proxy) as peer:
                await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                assert b" 502 " in (await peer.response())[0]
            if said == "failed last":
                await expect(row.locator(".state")).to_have_text(re.compile("^failed last .* ago"))
                await expect(row).to_contain_text("refused")
                await expect(page.locator("#problems")).to_contain_text(f"app: 127.0.0.1:{dies} failed last")
        await expect(row.locator(".state")).to_have_text(re.compile("^failing"))
        async with service(dies):
            await ask(proxy)
            await expect(row.locator(".state")).to_have_text(re.compile("^up"))
            await expect(page.locator("#judgement")).to_have_text("No problems")


async def test_the_configuration_is_shown_with_its_sources_and_without_secrets_and_without_barriers(
    tmp_path: Path,
) -> None:
    require_programs("chromium")
    port = free_port()
    async with service(port), watched(tmp_path, port) as (_, page):
        rows = page.locator("#config tr")
        await expect(rows.filter(has_text="upstreams.app.health_check.interval_s")).to_contain_text("onehop.toml:8")
        await expect(rows.filter(has_text="X-Key")).to_contain_text("***")
        assert "hunter2" not in await page.content()
        await expect(rows.filter(has_text="timeouts.drain_s")).to_have_count(0)
        await page.check("#config-defaults")
        await page.fill("#config-text", "timeouts.drain")
        await expect(rows).to_have_count(1)
        await expect(rows).to_contain_text("default")
        await page.fill("#config-text", "timeouts")
        await expect(page.locator("#workers tr")).to_have_count(2)
        for width in (320, 390, 768, 1280):
            await page.set_viewport_size({"width": width, "height": 800})
            assert await page.evaluate("document.documentElement.scrollWidth") == width
        assert await barriers(page) == []
        await page.set_viewport_size({"width": 390, "height": 800})
        assert await barriers(page) == []
