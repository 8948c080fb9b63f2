"""A real browser opens the demo page through the proxy; the test looks at the page."""

import hashlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import ConsoleMessage, Request, Response, async_playwright

from tests.conftest import require_programs
from tests.harness.processes import onehop
from tests.harness.programs.browser import SWITCHES, barriers
from tests.harness.tls import Authority, authority

__all__ = ["authority"]

pytestmark = pytest.mark.interop


@pytest.fixture(params=["http", "https"])
async def demo_url(
    request: pytest.FixtureRequest, demo_port: int, tmp_path: Path, authority: Authority
) -> AsyncIterator[str]:
    """Where the page is: the demo itself, and a proxy in front of it that speaks TLS."""
    if request.param == "http":
        yield f"http://127.0.0.1:{demo_port}"
        return
    file = tmp_path / "onehop.toml"
    file.write_text(
        f'[listeners.public]\naddress = "127.0.0.1:0"\n[listeners.public.tls]\n'
        f'certificates = [{{ certificate = "{authority.file("127.0.0.1")}" }}]\n'
        f'[upstreams.demo]\nurls = ["http://127.0.0.1:{demo_port}"]\n'
    )
    async with onehop("run", "--config", str(file)) as proxy:
        yield f"https://127.0.0.1:{proxy.port}"


async def test_the_page_loads_whole_and_its_live_parts_work(demo_url: str) -> None:
    require_programs("chromium")
    complaints: list[str] = []
    failed: list[str] = []
    paths: set[str] = set()

    def note_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    def note_response(response: Response) -> None:
        paths.add(response.url.removeprefix(demo_url).partition("?")[0])
        if response.status >= 400:
            failed.append(f"{response.status} {response.url}")

    def note_failure(request: Request) -> None:
        # The page ends its event stream itself. And Chromium calls a fetch that a script reads piece by piece aborted
        # at its end, also without any proxy: whether it came whole, the page says.
        if not request.url.partition("?")[0].endswith(("/events", "/stream")):
            failed.append(f"{request.failure} {request.url}")

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=SWITCHES)
        try:
            page = await browser.new_page(extra_http_headers={"X-Probe": "from the test"}, ignore_https_errors=True)
            page.on("console", note_console)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("response", note_response)
            page.on("requestfailed", note_failure)
            await page.goto(f"{demo_url}/")
            await page.wait_for_selector('body[data-ready="yes"]', timeout=20_000)
            verdicts = await page.inner_text("#verdicts")
            received = await page.inner_text("#received")
            assert await page.inner_text("#ws-status") == "echoed: hello onehop"
            assert int(await page.inner_text("#events-count")) >= 2
            assert (await page.inner_text("#stream-status")).startswith("5 lines in ")
            images = await page.evaluate("[...document.images].map(i => i.complete && i.naturalWidth > 0)")
            assert images
            assert all(images)
            background = await page.evaluate("getComputedStyle(document.body).fontFamily")
            assert background  # the style sheet was read
            hop = await page.inner_text("#hop-result")
            uploaded = await page.evaluate(
                "fetch('/upload', {method: 'POST', body: new Uint8Array(3_000_000)}).then(answer => answer.json())"
            )
            assert uploaded == {"bytes": 3_000_000, "sha256": hashlib.sha256(bytes(3_000_000)).hexdigest()}
            for width in (390, 768, 1280):  # a phone, a tablet, a desk
                await page.set_viewport_size({"width": width, "height": 900})
                rightmost = await page.evaluate(
                    "Math.max(...[...document.querySelectorAll('#verdicts .label, #hop-result .label')]"
                    ".map(label => label.getBoundingClientRect().right))"
                )
                assert 0 < rightmost <= width, f"at {width} px a verdict is outside of the window"
                assert width == 768 or await barriers(page) == []
        finally:
            await browser.close()
    assert not complaints
    assert not failed
    assert {"/", "/assets/demo.css", "/assets/demo.js"} <= paths
    if demo_url.startswith("http://"):  # else the proxy in front of it has taken it off before
        assert "Connection" in verdicts
        assert "stripped" in verdicts
    assert "X-Probe" in verdicts
    assert "Via" in received
    assert "X-Request-Id" in received
    assert "x-kept" in hop.lower()
