"""Reload: another configuration takes the place of the one that serves, and no request is lost. Real processes."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.harness.processes import OnehopProcess, onehop, output_of
from tests.harness.programs.process import free_port
from tests.harness.scripted import OK, Peer, ScriptedUpstream, answering, client
from tests.harness.waiting import until

ONEHOP = (sys.executable, "-m", "proxy")
KEEPING = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
CLOSING = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def named(name: str) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(name), name.encode())


async def echoing(peer: Peer) -> None:
    """Switches protocols, and sends back what comes."""
    await peer.head()
    await peer.send(SWITCHED)
    while data := await peer.some():
        await peer.send(data)


class Instance:
    """A running onehop with a file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.proxy: OnehopProcess

    def write(self, upstream: ScriptedUpstream, *, listen: str = "", head: str = "", rest: str = "") -> None:
        """What the next reload reads."""
        listen = listen or '"127.0.0.1:0"'
        where = f'[upstreams.a]\nurls = ["http://127.0.0.1:{upstream.port}"]\n'
        self.file.write_text(f"listen = {listen}\n{head}\n{where}{rest}\n")

    async def reload(self) -> tuple[int, str]:
        return await output_of(*ONEHOP, "reload", "--config", str(self.file))

    async def answer(self, port: int = 0) -> bytes:
        async with client(port or self.proxy.port) as peer:
            await peer.send(CLOSING)
            return (await peer.response())[1]


@asynccontextmanager
async def serving(
    tmp_path: Path, upstream: ScriptedUpstream, env: dict[str, str] | None = None, **settings: str
) -> AsyncIterator[Instance]:
    instance = Instance(tmp_path / "onehop.toml")
    instance.write(upstream, **({"head": "workers = 2"} | settings))
    async with onehop("run", "--config", str(instance.file), env=env) as proxy:
        instance.proxy = proxy
        yield instance


async def test_a_reload_serves_by_the_new_configuration_on_the_same_address(tmp_path: Path) -> None:
    old, new = ScriptedUpstream(answering(named("old"))), ScriptedUpstream(answering(named("new")))
    async with old.serving(), new.serving(), serving(tmp_path, old) as instance:
        before = instance.proxy.worker_pids()
        assert await instance.answer() == b"old"
        instance.write(new, head="workers = 2")
        assert await instance.reload() == (0, "onehop: generation 2 serves\n")
        assert await instance.answer() == b"new"
        await until(lambda: len(instance.proxy.worker_pids()) == 2)
        assert not {*before} & {*instance.proxy.worker_pids()}


async def test_a_wrong_configuration_is_refused_with_its_reason_and_the_old_one_serves_on(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(answering(*[OK] * 100))
    async with upstream.serving(), serving(tmp_path, upstream) as instance:
        workers = instance.proxy.worker_pids()
        instance.file.write_text('listen = "nowhere"\n')
        status, written = await instance.reload()
        assert status == 1
        assert f'onehop: {instance.file}:1: listen = "nowhere": expected' in written
        assert written.endswith("onehop: the new configuration was refused; generation 1 keeps serving\n")
        await instance.proxy.said(f'onehop: error: {instance.file}:1: listen = "nowhere"')
        await instance.proxy.said(
            "onehop: error: reload: the new configuration was refused; generation 1 keeps serving"
        )
        assert instance.proxy.worker_pids() == workers
        assert await instance.answer() == b"ok"


async def test_an_address_in_use_is_refused_and_the_others_of_that_reload_are_given_back(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(answering(*[OK] * 100))
    async with upstream.serving(), serving(tmp_path, upstream) as instance:
        free = free_port()
        instance.write(upstream, listen=f'["127.0.0.1:{free}", "127.0.0.1:{upstream.port}"]')
        status, written = await instance.reload()
        assert status == 1
        assert f"cannot listen on 127.0.0.1:{upstream.port}: the address is in use" in written
        with pytest.raises(ConnectionRefusedError):
            await instance.answer(free)
        assert await instance.answer() == b"ok"


async def test_addresses_come_and_go(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(answering(*[OK] * 100))
    async with upstream.serving(), serving(tmp_path, upstream) as instance:
        more = free_port()
        instance.write(upstream, listen=f'["127.0.0.1:0", "127.0.0.1:{more}"]')
        assert (await instance.reload())[0] == 0
        assert [await instance.answer(), await instance.answer(more)] == [b"ok", b"ok"]
        instance.write(upstream, listen=f'":{more}"')  # another address of the same port
        assert (await instance.reload())[0] == 0
        assert await instance.answer(more) == b"ok"
        await instance.proxy.accepts_no_more()


async def test_an_address_that_was_just_given_up_is_had_again_once_its_old_worker_has_closed_it(tmp_path: Path) -> None:
    upstream, more = ScriptedUpstream(answering(*[OK] * 100)), free_port()
    both = f'["127.0.0.1:0", "127.0.0.1:{more}"]'
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        told: list[bytes] = []
        asyncio.get_running_loop().add_reader(manager, lambda: told.append(manager.recv(1000)))
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000"}
        async with upstream.serving(), serving(tmp_path, upstream, env=environment, listen=both) as instance:
            old = instance.proxy.worker_pids()[0]
            os.kill(old, signal.SIGSTOP)
            instance.write(upstream)
            assert (await instance.reload())[0] == 0
            told.clear()
            instance.write(upstream, listen=both)
            reloaded = asyncio.create_task(instance.reload())
            await until(lambda: any(said.startswith(b"RELOADING=1") for said in told))
            told.clear()
            await until(lambda: b"WATCHDOG=1" in told)  # so it has tried to bind it
            os.kill(old, signal.SIGCONT)
            assert (await reloaded)[0] == 0, instance.proxy.banner
            assert await instance.answer(more) == b"ok"
        asyncio.get_running_loop().remove_reader(manager)


@pytest.mark.parametrize("counts", [(1, 3, 1), (3, 1, 2)])
async def test_the_number_of_workers_may_change_and_nobody_waits_in_vain(
    tmp_path: Path, counts: tuple[int, int, int]
) -> None:
    upstream = ScriptedUpstream(answering(*[OK] * 100))
    async with upstream.serving(), serving(tmp_path, upstream, head=f"workers = {counts[0]}") as instance:
        for count in counts[1:]:
            instance.write(upstream, head=f"workers = {count}")
            assert (await instance.reload())[0] == 0
            for _ in range(30):  # the kernel spreads them over all sockets
                assert await instance.answer() == b"ok"
            await until(lambda count=count: len(instance.proxy.worker_pids()) == count)  # type: ignore[misc]


async def test_what_is_under_way_is_finished_by_the_old_generation(tmp_path: Path) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(peer: Peer) -> None:
        await peer.head()
        asked.set()
        await go_on.wait()
        await peer.send(named("old"))
        await peer.rest()

    old, new = ScriptedUpstream(slow), ScriptedUpstream(answering(named("new")))
    async with old.serving(), new.serving(), serving(tmp_path, old) as instance, client(instance.proxy.port) as peer:
        await peer.send(KEEPING)
        await asked.wait()
        instance.write(new)
        assert (await instance.reload())[0] == 0
        assert await instance.answer() == b"new"
        go_on.set()
        head, body = await peer.response()
        assert body == b"old"
        assert b"\r\nConnection: close\r\n" in head
        assert await peer.rest() == b""


async def test_an_idle_connection_is_closed_and_one_that_asks_again_is_told_so(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(answering(OK, OK, OK))
    async with (
        upstream.serving(),
        serving(tmp_path, upstream) as instance,
        client(instance.proxy.port) as idle,
        client(instance.proxy.port) as busy,
    ):
        for peer in (idle, busy):
            await peer.send(KEEPING)
            assert (await peer.response())[1] == b"ok"
        instance.proxy.process.send_signal(signal.SIGHUP)
        await instance.proxy.said("reload: generation 2 serves")
        await busy.send(KEEPING)
        assert b"\r\nConnection: close\r\n" in (await busy.response())[0]
        assert await idle.some() == b"", "a clean end, long before the time of an exchange is over"


async def test_a_tunnel_has_its_own_grace(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(echoing)
    times = "\n[timeouts]\ndrain_s = 0.2\ntunnel_shutdown_s = 3"
    async with (
        upstream.serving(),
        serving(tmp_path, upstream, head='workers = 1\naccess_log = "json"', rest=times) as instance,
        client(instance.proxy.port) as peer,
    ):
        await peer.send(UPGRADE)
        await peer.head()
        assert (await instance.reload())[0] == 0
        await asyncio.sleep(1)  # longer than anything else of the old generation may last
        await peer.send(b"still here")
        assert await peer.exactly(10) == b"still here"
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await peer.exactly(1)
        await until(lambda: "shut_down" in "".join(instance.proxy.log))


async def test_several_who_ask_before_a_reload_begins_get_the_same_one(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(answering(*[OK] * 100))
    async with upstream.serving(), serving(tmp_path, upstream) as instance:
        for _ in range(5):
            instance.proxy.process.send_signal(signal.SIGHUP)
        results = await asyncio.gather(*(instance.reload() for _ in range(4)))
        assert {status for status, _ in results} == {0}
        assert not any("generation 8 " in line for line in instance.proxy.banner)
        assert await instance.answer() == b"ok"


async def test_old_generations_are_bounded_and_the_oldest_tunnel_makes_room(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(echoing)
    times = "\n[timeouts]\ndrain_s = 0.5"
    async with upstream.serving(), serving(tmp_path, upstream, head="workers = 1", rest=times) as instance:
        peers: list[Peer] = []
        async with client(instance.proxy.port) as oldest:
            await oldest.send(UPGRADE)
            await oldest.head()
            async with asyncio.TaskGroup() as tunnels:
                ended = asyncio.Event()

                async def held() -> None:
                    async with client(instance.proxy.port) as peer:
                        await peer.send(UPGRADE)
                        await peer.head()
                        peers.append(peer)
                        await ended.wait()

                for number in range(2, 7):  # six generations, of which one serves
                    assert await instance.reload() == (0, f"onehop: generation {number} serves\n")
                    tunnels.create_task(held())
                    await until(lambda: len(peers) == number - 1)  # noqa: B023
                with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                    await oldest.exactly(1)
                assert len(instance.proxy.worker_pids()) <= 5
                await peers[0].send(b"the next one lives")
                assert await peers[0].exactly(18) == b"the next one lives"
                ended.set()


async def test_a_stop_during_a_reload_ends_all_generations(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(answering(*[OK] * 100))
    async with upstream.serving(), serving(tmp_path, upstream) as instance:
        asked = asyncio.create_task(instance.reload())
        await until(lambda: len(instance.proxy.worker_pids()) > 2 or asked.done())
        assert await instance.proxy.stop() == 0
        status, written = await asked
        assert status == 0 or "onehop is stopping" in written or "ended before" in written


async def test_a_pid_file_names_the_instance_and_goes_with_it(tmp_path: Path) -> None:
    upstream, file = ScriptedUpstream(answering(*[OK] * 100)), tmp_path / "pid"
    async with upstream.serving():
        where = ("--listen", "127.0.0.1:0", "--upstream", f"http://127.0.0.1:{upstream.port}")
        async with onehop("run", *where, "--workers", "1", "--pid-file", str(file)) as proxy:
            assert file.read_text() == f"{proxy.process.pid}\n"
            status, written = await output_of(*ONEHOP, "reload", "--pid-file", str(file))
            assert (status, written) == (0, "onehop: generation 2 serves\n")
        assert not file.exists()


async def test_an_instance_that_does_not_run_is_not_found(tmp_path: Path) -> None:
    status, written = await output_of(*ONEHOP, "reload", "--config", str(tmp_path / "another.toml"))
    assert status == 2
    assert "no such instance is running" in written or "no instance of user" in written
    status, written = await output_of(*ONEHOP, "reload", "--pid", str(os.getpid()))
    assert status == 2
