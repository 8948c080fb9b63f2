"""The command as a person meets it: start, stop, crash, wrong input; and the log it writes."""

import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.harness.processes import onehop, output_of
from tests.harness.scripted import OK, PATIENCE_S, Peer, ScriptedUpstream, answering, client, fields_of

ONEHOP = (sys.executable, "-m", "proxy")
GET = b"GET /a?b HTTP/1.1\r\nHost: h\r\nAuthorization: Basic c2VjcmV0\r\nCookie: secret\r\n\r\n"


async def test_it_says_where_it_listens_what_it_serves_and_how_to_stop() -> None:
    arguments = ("--listen", "127.0.0.1:0", "--upstream", "http://127.0.0.1:1", "--workers", "2")
    async with onehop("run", *arguments, "--set", "admin.listen=") as proxy:
        # Where this machine's limit of descriptors is low, a line says how many clients fit.
        assert [line for line in proxy.banner if not line.startswith("  up to ")][:3] == [
            f"onehop listens on http://127.0.0.1:{proxy.port}",
            "  any host/ -> http://127.0.0.1:1",
            "  2 workers, reader auto; stop with Ctrl-C",
        ]
        assert len(proxy.worker_pids()) == 2


async def test_a_listen_address_without_a_host_is_every_interface() -> None:
    arguments = ("--listen", ":0", "--upstream", "http://127.0.0.1:1", "--workers", "2")
    async with onehop("run", *arguments, "--set", "admin.listen=") as proxy:
        assert proxy.banner[0] == f"onehop listens on http://0.0.0.0:{proxy.port}"
        reached = [line for line in proxy.banner if "listens on" in line]
        for host in ["127.0.0.1", "::1"][: len(reached)]:
            reader, writer = await asyncio.open_connection(host, proxy.port)
            writer.write(b"OPTIONS * HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
            writer.close()


async def test_its_name_in_via_is_the_one_that_is_configured() -> None:
    requests: list[bytes] = []
    upstream = ScriptedUpstream(answering(OK, requests=requests))
    async with upstream.serving():
        arguments = ("--listen", "127.0.0.1:0", "--upstream", f"http://127.0.0.1:{upstream.port}", "--workers", "1")
        async with onehop("run", *arguments, "--set", "pseudonym=edge.a") as proxy, client(proxy.port) as peer:
            await peer.send(GET)
            [via] = fields_of((await peer.response())[0])["via"]
    assert re.fullmatch(r"1\.1 edge\.a-[0-9a-f]{8}", via)
    assert fields_of(requests[0])["via"] == [via]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_what_is_under_way_finish_and_exits_0(number: signal.Signals) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        arrived.set()
        await go_on.wait()
        await peer.send(OK)
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with upstream.serving():
        arguments = ("--listen", "127.0.0.1:0", "--upstream", f"http://127.0.0.1:{upstream.port}", "--workers", "2")
        async with onehop("run", *arguments) as proxy:
            async with client(proxy.port) as peer:
                await peer.send(GET)
                await arrived.wait()
                stopped = asyncio.create_task(proxy.stop(number))
                await proxy.accepts_no_more()
                go_on.set()
                head, body = await peer.response()
                assert body == b"ok"
                assert b"Connection: close\r\n" in head
            assert await stopped == 0
        assert len(proxy.log) == 1


async def test_a_dead_worker_is_replaced_and_its_clients_are_served() -> None:
    upstream = ScriptedUpstream(answering(*[OK] * 10))
    async with upstream.serving():
        arguments = ("--listen", "127.0.0.1:0", "--upstream", f"http://127.0.0.1:{upstream.port}", "--workers", "1")
        async with onehop("run", *arguments) as proxy:
            (victim,) = proxy.worker_pids()
            os.kill(victim, signal.SIGKILL)
            async with client(proxy.port) as peer:  # it waits in the socket's queue until there is a worker again
                await peer.send(GET)
                assert (await peer.response())[1] == b"ok"
            assert proxy.worker_pids() != [victim]
            assert any(f"worker {victim} ended (killed by SIGKILL)" in line for line in proxy.banner)


async def test_workers_shut_down_when_their_parent_is_killed() -> None:
    process = await asyncio.create_subprocess_exec(
        *ONEHOP, "run", "--listen", "127.0.0.1:0", "--upstream", "http://127.0.0.1:1", "--workers", "2",
        stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stderr is not None
    async with asyncio.timeout(PATIENCE_S):
        while b"Ctrl-C" not in await process.stderr.readline():
            pass
        workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
        await process.wait()
        # Their end of the pipe is the last one open: its end is theirs.
        assert await process.stderr.read() == b""
    assert workers
    assert not any(Path(f"/proc/{pid}/exe").exists() for pid in workers)


async def test_load_spreads_over_workers() -> None:
    upstream = ScriptedUpstream(answering(*[OK] * 1000))
    async with upstream.serving():
        arguments = (
            "--listen", "127.0.0.1:0", "--upstream", f"http://127.0.0.1:{upstream.port}", "--workers", "2",
            "--access-log", "json",
        )  # fmt: skip
        async with onehop("run", *arguments) as proxy:
            for _ in range(60):
                async with client(proxy.port) as peer:
                    await peer.send(GET)
                    await peer.response()
        prefixes = [json.loads(line)["request_id"].partition("-")[0] for line in proxy.log]
        counts = [prefixes.count(prefix) for prefix in set(prefixes)]
        assert len(counts) == 2
        assert min(counts) >= 12  # the kernel spreads by hash: 60 coin tosses


@pytest.mark.parametrize("form", ["text", "json"])
async def test_the_access_log_has_one_line_per_request_and_no_secrets(form: str) -> None:
    upstream = ScriptedUpstream(answering(OK, OK))
    async with upstream.serving():
        arguments = (
            "--listen", "127.0.0.1:0", "--upstream", f"http://127.0.0.1:{upstream.port}", "--workers", "1",
            "--access-log", form,
        )  # fmt: skip
        async with onehop("run", *arguments) as proxy, client(proxy.port) as peer:
            for request in (GET, GET, b"GET /\x1b[31m HTTP/1.1\r\nHost: h\r\n\r\n"):
                await peer.send(request)
                await peer.response()
    assert len(proxy.log) == 3
    assert not any("secret" in line or "c2VjcmV0" in line or "\x1b" in line for line in proxy.log)
    if form == "json":
        lines = [json.loads(line) for line in proxy.log]
        assert (lines[0]["method"], lines[0]["target"], lines[0]["status"]) == ("GET", "/a?b", 200)
        assert (lines[0].get("reused", False), lines[1]["reused"], lines[1]["attempts"]) == (False, True, 1)
        assert (lines[1]["response_bytes"], lines[1]["upstream"]) == (2, f"127.0.0.1:{upstream.port}")
        assert (lines[2]["status"], lines[2]["error"]) == (400, "bad_request")
    else:
        assert '"GET /a?b HTTP/1.1" 200 0>2 ' in proxy.log[0]
        assert " reused " in proxy.log[1]
        assert "error=bad_request" in proxy.log[2]


async def test_a_reader_of_the_log_that_stops_holds_up_nobody(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(answering(*[OK] * 3000))
    async with upstream.serving():
        process = await asyncio.create_subprocess_exec(
            *ONEHOP, "run", "--listen", "127.0.0.1:0", "--upstream", f"http://127.0.0.1:{upstream.port}",
            "--workers", "1", "--set", "admin.listen=", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, limit=1,
        )  # fmt: skip
        assert process.stderr is not None
        banner = b""
        async with asyncio.timeout(PATIENCE_S * 2):
            while b"Ctrl-C" not in banner:
                banner += await process.stderr.read(4096)
            port = int(next(line for line in banner.split(b"\n") if b" listens on " in line).rpartition(b":")[2])
            async with client(port) as peer:  # nobody reads its standard output
                for _ in range(2000):
                    await peer.send(GET)
                    assert (await peer.response())[1] == b"ok"
        process.kill()
        await process.communicate()


WRONG = [  # arguments, what is said
    (("run",), "no upstream: give --upstream URL"),
    (("run", "--upstream", "ftp://x"), '--upstream: upstreams.default.urls = "ftp://x": expected http://HOST[:PORT]'),
    (("run", "--upstream", "http://x", "--listen", "nowhere"), 'expected an address as "HOST:PORT", or unix:/PATH'),
    (("run", "--config", "/no/such/file"), "/no/such/file: cannot be read: No such file or directory"),
    (("run", "--upstream", "http://x", "--listen", "192.0.2.1:80"), "cannot listen on 192.0.2.1:80"),
    (("run", "--upstream", "http://x", "--set", "timeouts.conect_s=1"), 'did you mean "timeouts.connect_s"?'),
    (("check", "--upstream", "http://x", "--set", "workers=-1"), "--set: workers = -1: expected a whole number >= 0"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG)
async def test_wrong_input_is_one_clear_line_and_exit_2(arguments: tuple[str, ...], said: str) -> None:
    status, written = await output_of(*ONEHOP, *arguments)
    assert status == 2
    assert said in written
    assert len(written.splitlines()) == 1
    assert "Traceback" not in written


async def test_a_port_in_use_is_one_clear_line_and_exit_2() -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with upstream.serving():
        for workers in ("1", "2"):
            status, written = await output_of(
                *ONEHOP, "run", "--upstream", "http://x", "--listen", f"127.0.0.1:{upstream.port}", "--workers", workers
            )
            assert (status, written) == (
                2,
                f"onehop: cannot listen on 127.0.0.1:{upstream.port}: the address is in use; --listen HOST:PORT chooses another\n",
            )


async def test_health_asks_the_proxy_itself() -> None:
    async with onehop("run", "--listen", "127.0.0.1:0", "--upstream", "http://127.0.0.1:1", "--workers", "1") as proxy:
        assert await output_of(*ONEHOP, "health", "--listen", f"127.0.0.1:{proxy.port}") == (0, "")
    status, written = await output_of(*ONEHOP, "health", "--listen", f"127.0.0.1:{proxy.port}")
    assert status == 1
    assert "does not answer" in written


HEAD = b"GET /a HTTP/1.1\nHost: h\nConnection: close, X-Internal\nX-Internal: 1\nCookie: hidden\nX-Forwarded-For: 6.6.6.6\n"


async def test_explain_says_of_each_field_what_becomes_of_it_and_why() -> None:
    status, written = await output_of(*ONEHOP, "explain", "--json", stdin=HEAD)
    assert status == 0
    notes = [(note["name"], note["value"], note["verdict"]) for note in json.loads(written)]
    assert notes[:5] == [
        ("Host", "h", "replaced"),
        ("Connection", "close, X-Internal", "stripped"),
        ("X-Internal", "1", "stripped"),
        ("Cookie", "*** (6 bytes)", "kept"),
        ("X-Forwarded-For", "6.6.6.6", "untrusted"),
    ]
    assert ("X-Forwarded-For", "192.0.2.1", "set") in notes
    _, text = await output_of(*ONEHOP, "explain", stdin=HEAD)
    assert "hidden" not in text
    assert "nominated by Connection" in text
    assert "GET /a HTTP/1.1" in text
    assert "closes: HTTP/1.1 with close" in text
    _, response = await output_of(
        *ONEHOP, "explain", "--response", stdin=b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nX-A: 1\r\n\r\n"
    )
    assert "hop-by-hop by definition" in response
    assert "until close; it goes on chunked" in response


async def test_explain_says_what_the_proxy_would_refuse() -> None:
    status, written = await output_of(*ONEHOP, "explain", stdin=b"GET / HTTP/1.1\nHost: a\nHost: b\n")
    assert status == 1
    assert written.startswith("refused with 400, bad_request: ")


async def test_check_shows_the_effective_configuration_and_its_sources() -> None:
    status, written = await output_of(*ONEHOP, "check", "--upstream", "http://a:1", "--workers", "3", "--print")
    assert status == 0
    assert "workers = 3  # --workers\n" in written
    assert "timeouts.connect_s = 5.0  # default\n" in written
    assert 'upstreams.default.urls = ["http://a:1"]  # --upstream\n' in written
