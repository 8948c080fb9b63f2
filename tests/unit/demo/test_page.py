"""The demo's page: what it shows, what it hides, and what a browser would load with it."""

from html.parser import HTMLParser

import pytest

from tests.unit.demo.clients import fetch, get

pytestmark = pytest.mark.asyncio


class Markup(HTMLParser):
    """Ids, tags and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.inline: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.add(value or "")
            if name in {"src", "href"} and tag != "a":
                self.links.append(value or "")
            if name == "style" or name.startswith("on") or (tag == "script" and "src" not in dict(attrs)):
                self.inline.append(tag)


async def test_page_shows_the_verdicts_escaped_and_masked(service: int) -> None:
    head, body = await fetch(
        service, get("/", "X-Request-Id: seen", "X-Api-Key: hunter2", "X-Raw: <script>alert(1)</script>")
    )
    text = body.decode()
    assert b"\r\nContent-Security-Policy: default-src 'self'; connect-src 'self' ws: wss:\r\n" in head
    assert "<title>onehop demo</title>" in text
    assert "GET /?&lt;i&gt; HTTP/1.1" in text
    assert "&lt;b&gt;&amp;" in text
    assert "nominated by Connection (RFC 9110 §7.6.1)" in text
    assert "*** (9 bytes)" in text  # the caller's mask
    assert "*** (14 bytes)" in text
    assert "*** (7 bytes)" in text
    assert "c2VjcmV0" not in text
    assert "hunter2" not in text
    assert "<script>alert" not in text
    assert '<tr data-verdict="&lt;odd&gt;">' in text
    markup = Markup(text)
    assert {"verdicts", "received", "hop-result", "ws-status", "events-count", "stream-status"} <= markup.ids
    assert markup.inline == []
    for link in [*markup.links, "/favicon.ico"]:
        asset_head, asset = await fetch(service, get(link))
        assert asset_head.startswith(b"HTTP/1.1 200 ")
        assert b"\r\nCache-Control: no-store" in asset_head
        assert asset


@pytest.mark.parametrize("lines", [[], ["X-Request-Id: another"]])
async def test_page_says_when_onehop_was_not_passed(service: int, lines: list[str]) -> None:
    _, body = await fetch(service, get("/", *lines))
    assert b"reached without onehop" in body
    assert b'id="verdicts"' not in body


@pytest.mark.parametrize(
    ("name", "content_type", "beginning"),
    [
        ("demo.css", b"text/css; charset=utf-8", b":root"),
        ("demo.js", b"text/javascript; charset=utf-8", b'"use strict"'),
        ("hop.svg", b"image/svg+xml", b"<svg"),
        ("pixel.png", b"image/png", b"\x89PNG\r\n\x1a\n"),
    ],
)
async def test_asset_has_its_type(service: int, name: str, content_type: bytes, beginning: bytes) -> None:
    head, body = await fetch(service, get(f"/assets/{name}"))
    assert b"\r\nContent-Type: " + content_type + b"\r\n" in head
    assert body.startswith(beginning)
