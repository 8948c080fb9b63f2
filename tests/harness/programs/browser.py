"""Debian's Chromium, driven by playwright, kept off the network: it is to talk to what is tested alone."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Literal

from playwright.async_api import Page, async_playwright

SWITCHES = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-default-apps", "--disable-extensions",
]  # fmt: skip


@asynccontextmanager
async def page_of(url: str, **how: object) -> AsyncIterator[Page]:
    """A page in Chromium; leaving fails where it has complained."""
    complaints: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=SWITCHES)
        try:
            page = await browser.new_page(**how)  # type: ignore[arg-type]
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            await page.goto(url)
            yield page
        finally:
            await browser.close()
    assert not complaints


async def barriers(page: Page) -> list[str]:
    """What axe-core says is a barrier for somebody, in light and in dark: rule, and where."""
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    await page.evaluate(axe)
    found: list[str] = []
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        await page.emulate_media(color_scheme=scheme)
        said = await page.evaluate("axe.run().then((found) => found.violations)")
        found += [f"{scheme}: {each['id']}: {node['html'][:200]}" for each in said for node in each["nodes"]]
    return found
