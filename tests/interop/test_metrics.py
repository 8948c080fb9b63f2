"""Counters, probes and status of real processes."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.config.admin_model import DEFAULT_LISTEN
from tests.harness.processes import OnehopProcess, onehop, output_of
from tests.harness.programs.process import free_port
from tests.harness.scripted import OK, PATIENCE_S, Peer, Script, ScriptedUpstream, client
from tests.harness.waiting import until
from tests.interop.counted_load import GET, Load
from tests.unit.admin.serving import Admin, labelled


async def always_ok(peer: Peer) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionResetError):
        while await peer.head():
            await peer.send(OK)


@asynccontextmanager
async def running(
    folder: Path, *settings: str, workers: int = 2, service: Script = always_ok
) -> AsyncIterator[tuple[OnehopProcess, Admin, Path]]:
    """onehop with an admin listener, in front of a service that answers everything."""
    upstream = ScriptedUpstream(service)
    admin = free_port()
    file = folder / "onehop.toml"
    async with upstream.serving():
        file.write_text(
            f'listen = "127.0.0.1:0"\nworkers = {workers}\n[admin]\nlisten = "127.0.0.1:{admin}"\n'
            f'[upstreams.app]\nurls = ["http://127.0.0.1:{upstream.port}"]\n[routes.all]\nupstream = "app"\n'
        )
        arguments = [word for setting in settings for word in ("--set", setting)]
        async with onehop("run", "--config", str(file), *arguments) as proxy:
            await answers(Admin(admin), 200)
            yield proxy, Admin(admin), file


async def answers(admin: Admin, status: int) -> None:
    """Wait until /readyz does; processes that start or stop tell nobody else."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                if (await admin.get("/readyz"))[0] == status:
                    return
            await asyncio.sleep(0.02)


async def counted(admin: Admin) -> float:
    found = await admin.samples()
    return found[labelled("onehop_requests_total", route="all", method="GET", status="200")]


async def test_without_the_listener_nothing_is_counted_and_counters_go_on_where_they_were(tmp_path: Path) -> None:
    async with running(tmp_path, workers=1) as (proxy, admin, file):
        on = file.read_text()
        for number, text in enumerate((on, on.replace(f"127.0.0.1:{admin.port}", ""), on), start=2):
            file.write_text(text)
            proxy.process.send_signal(signal.SIGHUP)
            await proxy.said(f"reload: generation {number} serves")
            async with client(proxy.port) as peer:
                await peer.send(GET)
                assert (await peer.response())[1] == b"ok"
        await answers(admin, 200)
        assert await counted(admin) == 2
        assert (await admin.samples())[labelled("onehop_requests_in_flight")] == 0


async def test_a_refused_reload_is_counted(tmp_path: Path) -> None:
    async with running(tmp_path, workers=1) as (proxy, admin, file):
        file.write_text("workers = 'x'\n")
        proxy.process.send_signal(signal.SIGHUP)
        await until(lambda: any("was refused" in line for line in proxy.banner))
        assert (await admin.samples())[labelled("onehop_reloads_total", result="refused")] == 1


async def test_a_worker_that_hangs_holds_up_no_scrape_and_shows(tmp_path: Path) -> None:
    async with running(tmp_path, "timeouts.worker_stall_s=0") as (proxy, admin, _):
        victim = proxy.worker_pids()[0]
        os.kill(victim, signal.SIGSTOP)
        try:
            await asyncio.sleep(2.2)  # that long, it may just be busy
            found = await admin.samples()
            assert found[labelled("onehop_workers", state="stalled")] == 1
            assert found[labelled("onehop_event_loop_lag_seconds")] > 1
            assert (await admin.get("/readyz"))[0] == 200, "the other one serves"
        finally:
            os.kill(victim, signal.SIGCONT)


async def test_a_scrape_of_a_loaded_instance_is_quick_and_costs_no_request(tmp_path: Path) -> None:
    async with running(tmp_path) as (proxy, admin, _):
        load = Load(proxy.port)
        async with load.running(4):
            await load.more(100)
            times = []
            for _ in range(10):
                started = time.monotonic()
                await admin.get("/metrics")
                times.append(time.monotonic() - started)
        assert load.cut == 0
        assert sorted(times)[5] < 1, times  # a bound that a busy machine keeps


async def test_readiness_ends_with_the_signal_to_stop_and_the_listener_answers_until_the_end(tmp_path: Path) -> None:
    async with running(tmp_path, "shutdown_delay_s=2") as (proxy, admin, _):
        proxy.process.send_signal(signal.SIGTERM)
        await answers(admin, 503)
        assert (await admin.get("/livez"))[0] == 200
        async with client(proxy.port) as peer:
            await peer.send(GET)
            assert (await peer.response())[1] == b"ok", "all is served meanwhile"


SERVE = ["-m", "proxy", "run", "--listen", "127.0.0.1:0", "--upstream", "http://127.0.0.1:9", "--workers", "1"]


RUN = ["run", "--listen", "127.0.0.1:0", "--upstream", "http://127.0.0.1:9", "--workers", "1"]
ON_THE_DEFAULT_ADDRESS = [
    # command                                               what chooses another    how a request is answered
    ([*RUN, "--set", f"admin.listen={DEFAULT_LISTEN}"],     "admin.listen",         b"HTTP/1.1 502 "),
    (["demo", "--listen", "127.0.0.1:0"],                   "--admin HOST:PORT",    b"HTTP/1.1 404 "),  # the demo has no such path
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "setting", "status"), ON_THE_DEFAULT_ADDRESS)
async def test_where_the_default_address_is_in_use_an_instance_warns_and_serves(
    arguments: list[str], setting: str, status: bytes
) -> None:
    with contextlib.ExitStack() as taken:

        def take() -> bool:
            with contextlib.suppress(OSError):
                taken.enter_context(socket.create_server(("127.0.0.1", 9901)))
                return True
            return False

        await until(take)  # whoever has it now, as another test may, could leave before ours begins
        async with onehop(*arguments) as proxy:
            expected = "onehop: warning: no admin listener: cannot listen on 127.0.0.1:9901: the address is in use; "
            assert f"{expected}{setting} chooses another" in proxy.banner
            async with client(proxy.port) as peer:
                await peer.send(GET)
                assert (await peer.response())[0].startswith(status)


async def test_where_a_chosen_address_is_in_use_it_does_not_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        status, written = await output_of(sys.executable, *SERVE, "--set", f"admin.listen={address}")
    assert (status, written.splitlines()) == (
        2,
        [f"onehop: cannot listen on {address}: the address is in use; admin.listen chooses another"],
    )


async def test_the_banner_says_where_it_is_and_without_it_there_is_none() -> None:
    arguments = ("run", "--listen", "127.0.0.1:0", "--upstream", "http://127.0.0.1:9", "--workers", "1")
    async with onehop(*arguments, "--set", "admin.listen=127.0.0.1:0") as proxy:
        said = r"  admin listener on http://127\.0\.0\.1:(\d+): / \(status page\), /metrics, /readyz, /status\.json$"
        found = re.search(said, "\n".join(proxy.banner), re.MULTILINE)
        assert found is not None, proxy.banner
        await answers(Admin(int(found[1])), 200)
    async with onehop(*arguments, "--set", "admin.listen=") as proxy:
        assert not any("admin" in line for line in proxy.banner)
        assert proxy.control_pids() == []


@pytest.mark.parametrize("signs", [("", 403), ("the-token-of-this-test", 401)])
async def test_beyond_loopback_a_token_is_needed(tmp_path: Path, signs: tuple[str, int]) -> None:
    token, expected = signs
    (tmp_path / "token").write_text(token + "\n")
    port = free_port()
    settings = [f"admin.listen=0.0.0.0:{port}", *([f"admin.token_file={tmp_path / 'token'}"] if token else [])]
    arguments = [word for setting in settings for word in ("--set", setting)]
    async with onehop(
        "run", "--listen", "127.0.0.1:0", "--upstream", "http://127.0.0.1:9", "--workers", "1", *arguments
    ):
        admin = Admin(port)
        await answers(admin, 200)
        assert (await admin.get("/status.json"))[0] == expected
        if token:
            assert (await admin.get("/status.json", f"Authorization: Bearer {token}"))[0] == 200
