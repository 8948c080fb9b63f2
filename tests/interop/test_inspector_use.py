"""What the inspector's page is like to use: by keyboard, while exchanges come in, and when its stream is refused."""

import asyncio
import contextlib
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Route, expect

from tests.conftest import require_programs
from tests.harness.programs.browser import page_of
from tests.harness.programs.process import free_port
from tests.harness.scripted import OK, Peer, ScriptedUpstream, client, fields_of
from tests.interop.test_inspector import curl, inspected, inspector
from tests.interop.test_metrics import always_ok

pytestmark = pytest.mark.interop


@asynccontextmanager
async def in_front_of_a_service(folder: Path) -> AsyncIterator[tuple[int, int]]:
    """onehop with an inspector; yields its port and the admin listener's."""
    upstream = ScriptedUpstream(always_ok)
    async with upstream.serving():
        app = f'[upstreams.app]\nurls = ["http://127.0.0.1:{upstream.port}"]'
        async with inspected(folder, app) as ports:
            yield ports


async def test_the_list_is_used_by_keyboard_while_exchanges_come_in(tmp_path: Path) -> None:
    require_programs("chromium", "curl")
    async with in_front_of_a_service(tmp_path) as (proxy, admin), inspector(admin) as page:
        url = f"http://127.0.0.1:{proxy}"
        for name in ("first", "second"):
            await curl(f"{url}/{name}")
            await page.wait_for_selector(f".row >> text=/{name}")
        focused = page.locator(".row:focus")
        await page.focus("#har")
        await page.keyboard.press("Tab")
        await expect(focused).to_contain_text("/second")
        await page.keyboard.press("ArrowDown")
        await expect(focused).to_contain_text("/first")
        await curl(f"{url}/third")
        await page.wait_for_selector(".row >> text=/third")
        await expect(focused).to_contain_text("/first")
        await page.keyboard.press("Enter")
        await expect(page.locator("#detail h2")).to_have_text("200 GET /first")
        await page.keyboard.press("Escape")
        await expect(focused).to_contain_text("/first")
        await page.keyboard.press("Home")
        await expect(focused).to_contain_text("/third")


async def test_the_cause_of_a_502_is_in_the_list(tmp_path: Path) -> None:
    require_programs("chromium", "curl")
    app = f'[upstreams.app]\nurls = ["http://127.0.0.1:{free_port()}"]'
    async with inspected(tmp_path, app) as (proxy, admin), inspector(admin) as page:
        await curl(f"http://127.0.0.1:{proxy}/")
        row = page.locator(".row")
        await expect(row).to_contain_text("502")
        await expect(row).to_contain_text("connect_failed")
        await expect(row).to_contain_text("Connection refused")
        await row.click()
        await expect(page.locator("#shown .pair h4").last).to_contain_text("not sent: no connection")


async def test_what_was_kept_stands_beside_itself_and_what_was_set_on_the_side_that_was_sent(tmp_path: Path) -> None:
    require_programs("chromium", "curl")
    async with in_front_of_a_service(tmp_path) as (proxy, admin), inspector(admin) as page:
        await curl("-H", "Connection: X-A", "-H", "X-A: 1", "-H", "X-B: 2", f"http://127.0.0.1:{proxy}/")
        await page.click(".row")
        came, went = (page.locator("#shown .pair").first.locator(".head").nth(side) for side in (0, 1))
        beside = [side.locator(".line", has_text="X-B: 2") for side in (came, went)]
        boxes = [await line.bounding_box() for line in beside]
        assert boxes[0] and boxes[1] and boxes[0]["y"] == boxes[1]["y"]
        assert "set: stated by this hop" in await went.locator(".line", has_text="Via").inner_text()
        assert await came.locator(".line", has_text="Via").count() == 0
        assert await went.locator(".line", has_text="X-A").count() == 0


async def test_what_is_copied_is_a_curl_command_that_sends_the_same_fields(tmp_path: Path) -> None:
    require_programs("chromium", "curl")
    heads: list[bytes] = []

    async def noting(peer: Peer) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionResetError):
            while head := await peer.head():
                heads.append(head)
                await peer.exactly(int(fields_of(head).get("content-length", ["0"])[0]))
                await peer.send(OK)

    upstream = ScriptedUpstream(noting)
    async with upstream.serving():
        app = f'[upstreams.app]\nurls = ["http://127.0.0.1:{upstream.port}"]'
        async with inspected(tmp_path, app) as (proxy, admin):
            permissions = ["clipboard-read", "clipboard-write"]
            async with page_of(f"http://127.0.0.1:{admin}/inspector", permissions=permissions) as page:
                await page.wait_for_selector("#state:has-text('live')")
                fields = ("-H", "X-Quote: it's $(id)", "-H", "X-Empty;", "-d", "sku=1")
                await curl(*fields, "--path-as-is", "-g", f"http://127.0.0.1:{proxy}/a/../[b]?c='d'")
                await page.click(".row")
                await page.click("text=Copy as curl")
                await page.wait_for_selector("text=Copied")
                copied = await page.evaluate("navigator.clipboard.readText()")
                assert "Content-Length" not in copied  # the body is not known: curl would promise one that never comes
                await curl(*shlex.split(copied)[1:])
                await expect(page.locator(".row")).to_have_count(2)
    first, second = (head.decode().splitlines() for head in heads)
    assert first[0] == second[0]
    ours = ("X-Quote", "X-Empty", "Content-Type", "User-Agent")
    assert [line for line in first if line.startswith(ours)] == [line for line in second if line.startswith(ours)]


async def test_a_stream_that_was_refused_is_asked_for_again(tmp_path: Path) -> None:
    require_programs("chromium", "curl")
    app = f'[upstreams.app]\nurls = ["http://127.0.0.1:{free_port()}"]'
    asked = 0

    async def refused_once(route: Route) -> None:
        nonlocal asked
        asked += 1
        await (route.fulfill(status=204) if asked == 1 else route.continue_())

    async with inspected(tmp_path, app) as (proxy, admin), page_of("about:blank") as page:
        await page.route("**/inspector/events", refused_once)
        await page.goto(f"http://127.0.0.1:{admin}/inspector")
        await page.wait_for_selector("#state:has-text('live')")
        assert asked == 2
        await curl(f"http://127.0.0.1:{proxy}/")
        await expect(page.locator(".row")).to_have_count(1)


HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=1</script>'


async def test_what_clients_send_is_text_whatever_it_is(tmp_path: Path) -> None:
    """Markup, long fields, and bytes that are no text: in a good request, and in one that cannot be read."""
    require_programs("chromium", "curl")
    async with in_front_of_a_service(tmp_path) as (proxy, admin), inspector(admin) as page:
        fields = f"X-A: {HOSTILE}\r\nX-Long: {'y' * 20_000}\r\nX-Bytes: ".encode() + bytes(range(0x80, 0x100))
        async with client(proxy) as peer:
            await peer.send(b"GET /good HTTP/1.1\r\nHost: h\r\n%b\r\n\r\n" % fields)
            await peer.response()
        async with client(proxy) as peer:
            await peer.send(f"GET /{HOSTILE}\x1b[31m HTTP/1.1\r\n{HOSTILE}: \x00\r\n\r\n".encode())
            await peer.rest()
        await expect(page.locator(".row")).to_have_count(2)
        for number in (0, 1):
            await page.locator(".row").nth(number).click()
            await page.wait_for_selector("#detail h2")
            assert await page.title() == "onehop inspector"
            assert await page.locator("#shown img, #shown script").count() == 0
        async with page.expect_download() as download:
            await page.click("#har")
        text = await asyncio.to_thread(Path(await (await download.value).path()).read_text, "utf-8")
        assert bytes(range(0xA1, 0x100)).decode("latin-1") in text
        assert len(text) < 40_000  # fields are cut where they were recorded


async def test_a_page_that_wants_a_token_takes_it_as_a_browsers_password(tmp_path: Path) -> None:
    require_programs("chromium", "curl")
    token = tmp_path / "token"
    token.write_text("0123456789abcdef0123456789abcdef\n")
    token.chmod(0o600)
    app = f'[upstreams.app]\nurls = ["http://127.0.0.1:{free_port()}"]'
    async with inspected(tmp_path, app, admin=f'inspector = true\ntoken_file = "{token}"') as (proxy, admin):
        given = {"username": "any", "password": token.read_text().strip()}
        async with page_of(f"http://127.0.0.1:{admin}/inspector", http_credentials=given) as page:
            await page.wait_for_selector("#state:has-text('live')")
            await curl(f"http://127.0.0.1:{proxy}/")
            await expect(page.locator(".row")).to_have_count(1)
            await page.click("text=Status")
            await page.wait_for_selector("#state:has-text('live')")
