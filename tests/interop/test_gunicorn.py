"""gunicorn's sync worker answers an upload without reading it, and closes: a reset right behind the answer."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.conftest import require_programs
from tests.fault.test_last_words import uploading
from tests.harness.processes import onehop
from tests.harness.scripted import PATIENCE_S

pytestmark = pytest.mark.interop

APP = """
def app(environ, start_response):
    start_response("401 Unauthorized", [("Content-Length", "4")])
    return [b"no!\\n"]
"""


async def accepts(port: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)  # there is no event: it is another program that starts
            else:
                writer.close()
                return


async def test_an_upload_of_4_mb_that_is_refused_unread_is_told_so(tmp_path: Path, unused_tcp_port: int) -> None:
    require_programs("gunicorn")
    (tmp_path / "refusing.py").write_text(APP)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    service = await asyncio.create_subprocess_exec(
        "gunicorn", "--bind", f"127.0.0.1:{unused_tcp_port}", "--worker-class", "sync", "--log-level", "error",
        "--chdir", str(tmp_path), "refusing:app", env=environment,
    )  # fmt: skip
    try:
        await accepts(unused_tcp_port)
        async with onehop(
            "run", "--listen", "127.0.0.1:0", "--upstream", f"http://127.0.0.1:{unused_tcp_port}", "--workers", "1",
            "--access-log", "off",
        ) as proxy:  # fmt: skip
            answers = [await asyncio.to_thread(uploading, proxy.port, 4_000_000, 65_536) for _ in range(20)]
    finally:
        service.send_signal(signal.SIGTERM)
        await service.wait()
    assert [answer[:12] for answer in answers] == [b"HTTP/1.1 401"] * 20
    assert all(answer.endswith(b"no!\n") for answer in answers)
