"""The inspector in a real browser: requests by curl appear, and each field says what was done to it and why."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.conftest import require_programs
from tests.harness.processes import OnehopProcess, onehop
from tests.harness.programs.browser import barriers, page_of
from tests.harness.programs.process import free_port
from tests.harness.scripted import ScriptedUpstream, client
from tests.interop.test_metrics import always_ok
from tests.unit.admin.serving import Admin

pytestmark = pytest.mark.interop


@asynccontextmanager
async def inspected_process(
    folder: Path, upstreams: str, admin: str = "inspector = true"
) -> AsyncIterator[tuple[OnehopProcess, int]]:
    """onehop with an inspector; yields it, and the admin listener's port."""
    port, file = free_port(), folder / "onehop.toml"
    file.write_text(
        'listen = "127.0.0.1:0"\nworkers = 2\ntrusted_networks = ["127.0.0.0/8"]\n'
        f'[admin]\nlisten = "127.0.0.1:{port}"\n{admin}\n{upstreams}\n'
    )
    async with onehop("run", "--config", str(file)) as proxy:
        while (await Admin(port).get("/readyz"))[0] != 200:  # noqa: ASYNC110  # another process says so
            await asyncio.sleep(0.02)
        yield proxy, port


@asynccontextmanager
async def inspected(folder: Path, upstreams: str, admin: str = "inspector = true") -> AsyncIterator[tuple[int, int]]:
    """onehop with an inspector; yields its port and the admin listener's."""
    async with inspected_process(folder, upstreams, admin) as (proxy, port):
        yield proxy.port, port


@asynccontextmanager
async def inspector(port: int, **how: object) -> AsyncIterator[Page]:
    """The page, once it follows."""
    async with page_of(f"http://127.0.0.1:{port}/inspector", **how) as page:
        await page.wait_for_selector("#state:has-text('live')")
        yield page


async def curl(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec("curl", "-s", "-o", "/dev/null", *arguments)
    assert await process.wait() == 0


async def test_a_request_appears_with_what_was_done_to_each_field(tmp_path: Path) -> None:
    require_programs("chromium", "curl")
    upstream = ScriptedUpstream(always_ok)
    async with upstream.serving():
        app = f'[upstreams.app]\nurls = ["http://127.0.0.1:{upstream.port}"]'
        async with inspected(tmp_path, app) as (proxy, admin), inspector(admin) as page:
            url = f"http://127.0.0.1:{proxy}"
            nominated = ("-H", "Connection: close, X-Internal", "-H", "X-Internal: 1", "-H", "Cookie: a=hunter2")
            await curl(*nominated, f"{url}/first?a=1")
            await page.click("text=/first?a=1")
            lines = page.locator(".line", has_text="X-Internal: 1")
            assert "stripped" in (await lines.get_attribute("class") or "")
            assert "nominated" in await lines.inner_text()
            assert "hunter2" not in await page.content()
            assert await page.locator(".line", has_text="Cookie: *** (9 bytes)").count() == 2  # as it came, and went
            steps = await page.locator(".waterfall > span:nth-child(3n + 1)").all_inner_texts()
            assert {"connect", "first byte"} <= set(steps), steps
            facts = await page.inner_text("#shown dl")
            assert "default, which matches any host, path /" in facts and "closed: its request said close" in facts
            attempt = await page.inner_text(".attempts tbody")
            assert "new" in attempt and "kept: idle, for another request" in attempt
            assert "GET /first?a=1 HTTP/1.1" in await page.inner_text("#shown")

            await curl(f"{url}/second")
            await page.wait_for_selector(".row >> text=/second")
            await page.fill("#text", "x-internal: 1")
            await expect(page.locator(".row")).to_have_count(1)
            await page.fill("#text", "")
            await page.click("#pause")
            await curl(f"{url}/third")
            await page.wait_for_selector("#state:has-text('1 new')")
            assert await page.locator(".row", has_text="/third").count() == 0

            async with page.expect_download() as download:
                await page.click("#har")
            har = json.loads(Path(await (await download.value).path()).read_text())
            entries = {entry["request"]["url"]: entry for entry in har["log"]["entries"]}
            assert set(entries) == {f"{url}/first?a=1", f"{url}/second"}
            assert entries[f"{url}/second"]["response"]["status"] == 200
            await page.click("#clear")
            assert await page.locator(".row").count() == 0


async def test_a_retry_is_shown_with_both_attempts(tmp_path: Path) -> None:
    require_programs("chromium", "curl")
    upstream = ScriptedUpstream(always_ok)
    async with upstream.serving():
        urls = f'urls = ["http://127.0.0.1:{free_port()}", "http://127.0.0.1:{upstream.port}"]'
        app = f"[upstreams.app]\n{urls}\n[upstreams.app.retry]\nbudget_percent = 100"
        async with inspected(tmp_path, app) as (proxy, admin), inspector(admin) as page:
            for number in range(4):  # two workers, which take turns each for itself
                await curl(f"http://127.0.0.1:{proxy}/{number}")
            await expect(page.locator(".row")).to_have_count(4)
            shown = []
            for number in range(4):
                await page.click(f".row >> text=/{number}")
                shown.append(await page.inner_text("#shown"))
            assert any("connect_failed" in text and str(upstream.port) in text for text in shown), shown


async def test_the_page_fits_every_screen_and_has_no_barriers(tmp_path: Path) -> None:
    require_programs("chromium", "curl")
    upstream = ScriptedUpstream(always_ok)
    async with upstream.serving():
        pool = "[pool]\nmax_requests = 1"  # the service waits for no other request meanwhile
        app = f'[upstreams.app]\nurls = ["http://127.0.0.1:{upstream.port}"]\n{pool}'
        async with inspected(tmp_path, app) as (proxy, admin), inspector(admin) as page:
            assert await barriers(page) == []  # while it is empty
            fields = ("-H", f"X-Long: {'x' * 300}", "-H", "X-Forwarded-For: 192.0.2.1", "-H", "Connection: X-Long")
            await curl(*fields, f"http://127.0.0.1:{proxy}/{'long/' * 40}")
            await page.click(".row")
            await page.wait_for_selector("#detail h2")
            assert "192.0.2.1, element 1 of X-Forwarded-For" in await page.inner_text(".walk")
            for width in (320, 390, 768, 1280):
                await page.set_viewport_size({"width": width, "height": 800})
                assert await page.evaluate("document.documentElement.scrollWidth") == width
                assert await barriers(page) == []


async def test_without_the_key_there_is_no_inspector(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(always_ok)
    async with upstream.serving():
        app = f'[upstreams.app]\nurls = ["http://127.0.0.1:{upstream.port}"]'
        async with inspected(tmp_path, app, admin="") as (proxy, admin), client(proxy) as peer:
            await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert b"200" in (await peer.response())[0]
            assert (await Admin(admin).get("/inspector"))[0] == 404
            assert (await Admin(admin).get("/inspector/events"))[0] == 404


async def test_a_page_that_is_open_holds_up_no_end_and_is_no_defect(tmp_path: Path) -> None:
    app = '[upstreams.app]\nurls = ["http://127.0.0.1:9"]'
    async with inspected_process(tmp_path, app) as (proxy, admin), client(admin) as page:
        await page.send(b"GET /inspector/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200" in await page.head()
        assert await page.exactly(15) == b"d\r\nretry: 1000\n"
        assert await proxy.stop() == 0
        assert (await page.rest()).endswith(b"0\r\n\r\n")
        assert not [line for line in proxy.banner if "warning" in line or "error" in line], proxy.banner
