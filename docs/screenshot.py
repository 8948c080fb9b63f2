"""Takes docs/inspector.png anew: `python -m docs.screenshot`, with Chromium and curl. Look before you commit it."""

import shutil
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

from playwright.sync_api import sync_playwright

from docs.reference import DOCS
from tests.harness.programs.process import free_port

_CONFIG: Final = """
listen = "127.0.0.1:{port}"
workers = 1
access_log = "off"
[admin]
listen = "127.0.0.1:{admin}"
inspector = true
[upstreams.shop]
urls = ["http://127.0.0.1:{dead}", "http://127.0.0.1:{shop}"]
[routes.shop]
upstream = "shop"
[routes.reports]
path = "/reports"
upstream = "gone"
[upstreams.gone]
urls = ["http://127.0.0.1:{dead}"]
"""
_TRAFFIC: Final = (
    ("/assets/shop.css",),
    ("/cart", "-H", "Cookie: session=d0d4959b4e6"),
    ("/reports/2026",),
    ("/cart/items", "-d", "sku=1234&count=2"),
    ("/unknown",),
    (
        "/orders?page=2", "-H", "Connection: keep-alive, X-Internal", "-H", "X-Internal: debug", "-H",
        "Keep-Alive: timeout=5", "-H", "Cookie: session=d0d4959b4e6", "-H", "X-Forwarded-For: 6.6.6.6",
    ),
)  # fmt: skip


class _Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        time.sleep(0.004)
        body = b'{"orders": []}\n'
        self.send_response(404 if self.path == "/unknown" else 200)
        for name, value in (
            ("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Connection", "X-Cache-Node"),
            ("X-Cache-Node", "a7"), ("Set-Cookie", "session=d0d4959b4e6; HttpOnly"),
        ):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def main() -> None:
    """Run onehop in front of a shop, ask it a few times, and look."""
    shop = ThreadingHTTPServer(("127.0.0.1", 0), _Shop)
    threading.Thread(target=shop.serve_forever, daemon=True).start()
    port, admin, dead = free_port(), free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "onehop.toml"
        file.write_text(_CONFIG.format(port=port, admin=admin, dead=dead, shop=shop.server_port), "utf-8")
        proxy = subprocess.Popen([sys.executable, "-m", "proxy", "run", "--config", str(file)])
        try:
            _when_ready(f"http://127.0.0.1:{admin}/readyz")
            _look(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin}/inspector")
        finally:
            proxy.terminate()
            proxy.wait()


def _when_ready(url: str) -> None:
    for _ in range(100):
        try:
            urlopen(url).close()
        except OSError:
            time.sleep(0.1)
        else:
            return


def _look(proxy: str, inspector: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1120})
        page.goto(inspector)
        for target, *arguments in _TRAFFIC:
            subprocess.run(["curl", "-s", "-o", "/dev/null", *arguments, proxy + target], check=True)
        page.click("text=/orders?page=2")
        page.wait_for_timeout(500)
        page.screenshot(path=DOCS / "inspector.png")
        browser.close()


if __name__ == "__main__":
    main()
