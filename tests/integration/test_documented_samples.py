"""What pages of the documentation show besides commands and configurations: heads are sent, files used, lines written."""

import os
import re
import subprocess
from pathlib import Path

import proxy
from proxy.telemetry.error_log import ErrorLog
from proxy.upstream.health.report import Report
from proxy.upstream.health.settings import EjectionSettings, HealthCheckSettings
from proxy.upstream.health.state import Endpoints
from proxy.upstream.origin import Candidate, Origin
from tests.conftest import require_programs
from tests.harness.documents import agrees
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import Peer, ScriptedUpstream, client
from tests.integration.test_forward_auth import LET_IN, Answering, guarded

ROOT = Path(proxy.__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


_RUN_HERE = {("auth-service", "http"), ("hop-by-hop", "http"), ("logs", "logrotate"), ("health", "log")}


def samples(page: str, kind: str) -> list[str]:
    """What a page shows, of one kind."""
    text = (ROOT / "docs" / f"{page}.md").read_text("utf-8")
    return [content for its, content in _FENCED.findall(text) if its == kind]


def test_every_sample_is_of_a_kind_that_a_test_runs() -> None:
    """Commands by `tests/interop/test_documents.py`, configurations by `tests/unit/config/test_documented.py`, all else here."""
    found = {(path.stem, kind) for path in PAGES for kind, _ in _FENCED.findall(path.read_text("utf-8"))}
    assert {(page, kind) for page, kind in found if kind not in ("console", "toml")} == _RUN_HERE


async def test_an_auth_service_is_asked_as_its_page_says() -> None:
    [shown] = samples("auth-service", "http")
    auth, app = Answering(LET_IN), Answering(LET_IN)
    trusted = ["127.0.0.0/8"]
    async with guarded(auth, app, path="/verify", trusted_networks=trusted) as running, client(running.port) as peer:
        await peer.send(
            b"POST /orders?page=2 HTTP/1.1\r\nHost: app.example.com\r\nCookie: session=1\r\nContent-Length: 2\r\n"
            b"X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\nX-Request-Id: 5f0c1\r\n\r\nok"
        )
        await peer.response()
    asked = auth.heads[0].decode().replace(", 127.0.0.1", "")  # on the page, the client connects without a gateway
    assert agrees(shown.splitlines(), asked.splitlines()[:-1]), asked


async def test_the_handshake_of_the_primer_becomes_a_tunnel() -> None:
    [shown] = samples("hop-by-hop", "http")
    asked: list[bytes] = []

    async def switch(peer: Peer) -> None:
        asked.append(await peer.head())
        await peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        await peer.send(await peer.exactly(4))

    upstream = ScriptedUpstream(switch)
    async with upstream.serving(), running_proxy(upstream.port) as running, client(running.port) as peer:
        await peer.send(shown.rstrip("\n").replace("\n", "\r\n").encode() + b"\r\n\r\n")
        assert b" 101 " in await peer.head()
        await peer.send(b"ping")
        assert await peer.exactly(4) == b"ping"
    assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" in asked[0]


def test_a_change_of_health_is_logged_as_its_page_says() -> None:
    [shown] = samples("health", "log")
    origin, read_from, write_to = Origin("api-1", 9000, address="10.0.0.7"), *os.pipe()
    check = HealthCheckSettings(rise=2, fall=2)
    known = Endpoints([Candidate(origin)], EjectionSettings(), check, 0.0)
    changes = [*known.checked(origin, "status 503", 0.0), *known.checked(origin, "status 503", 1.0)]
    Report(ErrorLog(write_to)).changes("api", known, changes, 1.0)
    with open(write_to, "wb"), open(read_from, "rb") as said:
        assert said.readline().decode() == shown


def test_the_log_is_rotated_by_the_file_of_its_page(tmp_path: Path) -> None:
    require_programs("logrotate")
    [shown] = samples("logs", "logrotate")
    log, told = tmp_path / "access.log", tmp_path / "told"
    log.write_text("a line\n")
    tmp_path.chmod(0o700)  # logrotate refuses folders that others may write to
    command = "systemctl kill --signal=USR1 --kill-whom=main onehop"
    assert command in shown
    file = tmp_path / "onehop"
    file.write_text(shown.replace("/var/log/onehop/access.log", str(log)).replace(command, f"touch {told}"))
    rotate = ["logrotate", "--force", "--state", str(tmp_path / "state"), str(file)]
    done = subprocess.run(rotate, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "access.log.1").read_text() == "a line\n"
    assert told.exists() and not log.exists()
