"""The commands that look at a running instance, as processes beside it."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.cli import explain_url
from tests.harness.processes import OnehopProcess, onehop
from tests.harness.programs.process import free_port
from tests.harness.scripted import PATIENCE_S, Script, ScriptedUpstream, answering, client
from tests.interop.test_metrics import always_ok
from tests.unit.admin.serving import Admin
from tests.unit.cli.calling import command, line_of
from tests.unit.cli.calling import onehop as onehop_command

pytestmark = pytest.mark.interop


@asynccontextmanager
async def instance(
    folder: Path, more: str = "", service: Script = always_ok
) -> AsyncIterator[tuple[OnehopProcess, Path]]:
    """onehop with an inspector in front of a service, and its configuration's file."""
    upstream, port, file = ScriptedUpstream(service), free_port(), folder / "onehop.toml"
    async with upstream.serving():
        file.write_text(
            f'listen = "127.0.0.1:0"\nworkers = 1\n{more}[admin]\nlisten = "127.0.0.1:{port}"\ninspector = true\n'
            f'[upstreams.app]\nurls = ["http://127.0.0.1:{upstream.port}"]\n'
        )
        async with onehop("run", "--config", str(file)) as proxy:
            async with asyncio.timeout(3 * PATIENCE_S):
                while (await Admin(port).get("/readyz"))[0] != 200:  # noqa: ASYNC110  # another process says so
                    await asyncio.sleep(0.02)
            yield proxy, file


async def get(proxy: OnehopProcess, target: str) -> None:
    async with client(proxy.port) as peer:
        await peer.send(f"GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        assert b" 200 " in (await peer.response())[0]


async def test_tail_goes_on_over_a_reload(tmp_path: Path) -> None:
    async with instance(tmp_path) as (proxy, file), command("tail", "--config", str(file)) as tail:
        await get(proxy, "/first")
        assert '"GET /first HTTP/1.1" 200 ' in await line_of(tail)
        file.write_text(file.read_text() + '[routes.all]\nupstream = "app"\n')
        proxy.process.send_signal(signal.SIGHUP)
        await proxy.said("generation 2 serves")
        await get(proxy, "/second")
        line = await line_of(tail)
        assert '"GET /second HTTP/1.1" 200 ' in line and "route=all" in line
        tail.send_signal(signal.SIGINT)
        assert (await tail.communicate())[1] == b""
        assert tail.returncode == 0


# -- explain URL -------------------------------------------------------------------------------------------------------


def part(text: str, title: str) -> list[str]:
    """The lines of one head."""
    found = next(block for block in text.split("\n\n") if block.splitlines()[0] == title)
    return found.splitlines()[1:]


def fields(lines: list[str]) -> list[tuple[str, str]]:
    """Verdict and field of each line of a head."""
    return [(line.split()[0], line[15:].partition("  ")[0].strip()) for line in lines[1:]]


async def explained(*words: str) -> tuple[int | None, str, str]:
    async with command("explain", *words) as process, asyncio.timeout(3 * PATIENCE_S):
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("more", ["", 'trusted_networks = ["127.0.0.0/8"]\n'])
async def test_explain_asks_through_the_instance_and_shows_all_four_heads(tmp_path: Path, more: str) -> None:
    heads: list[bytes] = []
    answer = b"HTTP/1.1 200 OK\r\nConnection: X-Back\r\nX-Back: 1\r\nSet-Cookie: hunter2\r\nContent-Length: 2\r\n\r\nok"
    async with instance(tmp_path, more, answering(answer, answer, requests=heads)) as (proxy, file):
        await get(proxy, "/asked?a=1")  # alike, but another's
        words = ("-H", "Connection: X-Out", "-H", "X-Out: 1", "-H", "Cookie: hunter2", "-d", "a=b")
        status, out, err = await explained(f"{proxy.url}/asked?a=1", "--config", str(file), *words)
    assert (status, err) == (0, "")
    assert "hunter2" not in out
    service = next(line for line in out.splitlines() if line.startswith("onehop -> 127")).removeprefix("onehop -> ")
    came = part(out, "client -> onehop")
    assert came[0] == "  POST /asked?a=1 HTTP/1.1"
    assert {("stripped", "X-Out: 1"), ("kept", "Cookie: *** (7 bytes)")} <= set(fields(came))
    sent = part(out, f"onehop -> {service}")
    received = heads[-1].decode().replace("hunter2", "*** (7 bytes)").split("\r\n")
    assert [sent[0].strip(), *(field for _, field in fields(sent))] == received[: received.index("")]
    answered = fields(part(out, f"{service} -> onehop"))
    assert ("stripped", "X-Back: 1") in answered and ("kept", "Set-Cookie: *** (7 bytes)") in answered
    back = fields(part(out, "onehop -> client"))
    assert ("kept", "Set-Cookie: *** (7 bytes)") in back and "X-Back" not in str(back)


async def test_explain_shows_a_request_that_is_answered_here_and_connects_where_it_is_told_to(tmp_path: Path) -> None:
    async with instance(tmp_path) as (proxy, file):
        where = ("--config", str(file), "--connect", f"127.0.0.1:{proxy.port}")
        status, out, _ = await explained("http://example.com/", *where, "-H", "Expect: tea", "-X", "DELETE")
        assert status == 0
        assert part(out, "client -> onehop")[0] == "  DELETE / HTTP/1.1"
        assert part(out, "onehop -> client")[0] == "  HTTP/1.1 417 Expectation Failed"
        status, out, _ = await explained(f"{proxy.url}/x", "--config", str(file), "--json")
        assert json.loads(out)["target"] == "/x"


async def test_explain_says_so_where_another_instance_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream = ScriptedUpstream(always_ok)
    monkeypatch.setattr(explain_url, "_TOLD_S", 0.1)
    async with instance(tmp_path) as (_, file), upstream.serving():
        url = f"http://127.0.0.1:{upstream.port}/"
        result = await asyncio.to_thread(onehop_command, "explain", url, "--config", str(file))
    assert result.exit_code == 1
    assert f"{url} answered 200, and the inspector at" in result.stderr
