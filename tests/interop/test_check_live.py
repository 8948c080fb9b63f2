"""`onehop check --live`: a line for each origin, and an exit status, by what is really there."""

import socket
import sys
from pathlib import Path

import pytest

from tests.harness.processes import output_of
from tests.harness.scripted import Peer, ScriptedUpstream
from tests.harness.tls import Authority, authority

__all__ = ["authority"]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
HINT = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"


def told(answer: bytes) -> ScriptedUpstream:
    """A service that answers what it is asked, if it is."""

    async def script(peer: Peer) -> None:
        asked = await peer.some()
        if asked:
            assert asked.startswith(b"GET /healthz HTTP/1.1\r\nHost: inner\r\n")
            await peer.send(answer)
        await peer.rest()

    return ScriptedUpstream(script)


async def live(tmp_path: Path, text: str, *more: str) -> tuple[int, list[str]]:
    """Exit status, and the lines about origins."""
    file = tmp_path / "c.toml"
    file.write_text(text)
    status, output = await output_of(sys.executable, "-m", "proxy", "check", "--config", str(file), "--live", *more)
    return status, [line.strip() for line in output.splitlines() if line.startswith(("  ok", "  FAILED"))]


async def test_an_origin_without_a_check_has_to_accept_a_connection(tmp_path: Path) -> None:
    service = told(b"")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        down = closed.getsockname()[1]
        async with service.serving():
            there = f'[upstreams.a]\nurls = ["http://127.0.0.1:{service.port}"]\n'
            status, lines = await live(tmp_path, there)
            assert status == 0
            assert len(lines) == 1
            assert lines[0].startswith(f"ok     upstream a, 127.0.0.1:{service.port}: connected in ")
            more = there.replace('"]', f'", "http://127.0.0.1:{down}", "unix:/none"]')
            status, lines = await live(tmp_path, more)
    assert status == 1
    assert lines[1:] == [
        f"FAILED upstream a, 127.0.0.1:{down}: no connection to 127.0.0.1:{down}: Connection refused",
        "FAILED upstream a, unix:/none: no connection to unix:/none: No such file or directory",
    ]


ANSWERS = [
    # answer to the check                                     exit status, what is said
    (OK,                                                      0, "GET /healthz passed in "),
    (HINT + OK,                                               0, "GET /healthz passed in "),
    (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",         1, "status 503"),
    (b"nonsense\r\n\r\n",                                     1, ""),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "status", "said"), ANSWERS)
async def test_a_health_check_is_asked_once(tmp_path: Path, answer: bytes, status: int, said: str) -> None:
    service = told(answer)
    async with service.serving():
        text = f'[upstreams.a]\nurls = ["http://127.0.0.1:{service.port}"]\nhost = "inner"\n'
        found, [line] = await live(tmp_path, text + '[upstreams.a.health_check]\npath = "/healthz"\n')
    assert found == status
    assert line.startswith(f"{'FAILED' if status else 'ok    '} upstream a, 127.0.0.1:{service.port}: {said}")
    assert service.connections == 1


async def test_a_silent_service_fails_its_check_in_time(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await peer.rest()

    service = ScriptedUpstream(script)
    async with service.serving():
        text = f'[upstreams.a]\nurls = ["http://127.0.0.1:{service.port}"]\n[upstreams.a.health_check]\n'
        status, [line] = await live(tmp_path, f'{text}path = "/healthz"\ntimeout_s = "200ms"\n')
    assert status == 1
    assert line.endswith("no answer in 0.2 s")


async def test_a_certificate_has_to_be_good(tmp_path: Path, authority: Authority) -> None:
    service = told(b"")
    async with service.serving(tls=authority.server("localhost")):
        text = f'[upstreams.a]\nurls = ["https://localhost:{service.port}"]\n[upstreams.a.tls]\n'
        status, [line] = await live(tmp_path, text + f'ca = "{authority.pem}"\n')
        assert status == 0, line
        assert " connected in " in line
        status, [line] = await live(tmp_path, text + f'ca = "{authority.pem}"\nserver_name = "other"\n')
        assert status == 1
        assert "no secured connection" in line


async def test_a_name_without_an_address_is_told(tmp_path: Path) -> None:
    status, [line] = await live(tmp_path, '[upstreams.a]\nurls = ["http://no-such-name.invalid"]\n', "--print")
    assert status == 1
    assert line.startswith("FAILED upstream a, no-such-name.invalid:80: no-such-name.invalid has no address")
