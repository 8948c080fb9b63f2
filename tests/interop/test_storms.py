"""Reloads, kills and wrong configurations in any order: the instance serves by the last right configuration, loses nothing
but what is in the hands of killed workers, and leaves nobody behind. Real processes."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.harness.processes import OnehopProcess, onehop, ports_in_the_hands_of
from tests.harness.programs.process import family, free_port, has_ended
from tests.harness.scripted import PATIENCE_S, client, fields_of
from tests.harness.steady_load import CheckedService, SteadyLoad
from tests.harness.waiting import until
from tests.interop.test_life import reload

_CONFIG = """
listen = "127.0.0.1:0"
workers = 2
access_log = "off"
admin.listen = "127.0.0.1:{admin}"
upstreams.a.urls = ["http://127.0.0.1:{service}"]
[routes.all]
upstream = "a"
response_fields.put = {{ "X-Config" = "{number}" }}
"""
_WRONG = ("no TOML\n", 'workers = "many"\n', '[routes.all]\nupstream = "nowhere"\n')
_STEPS = 12


class Storm:
    """An instance, and everything that may happen to it."""

    def __init__(self, proxy: OnehopProcess, file: Path, admin: int, service: int, chance: random.Random) -> None:
        self.killed: set[int] = set()  # ports of clients that killed workers had
        self.asked: list[asyncio.Task[int]] = []
        self.number = 0
        self._proxy, self._file, self._chance = proxy, file, chance
        self._places = {"admin": admin, "service": service}

    def write(self) -> None:
        """A right configuration, which no other is equal to."""
        self.number += 1
        self._file.write_text(_CONFIG.format(number=self.number, **self._places))

    def write_a_wrong_one(self) -> None:
        self._file.write_text(self._chance.choice(_WRONG))

    def signal_a_reload(self) -> None:
        self._proxy.process.send_signal(signal.SIGHUP)

    def ask_for_reloads(self) -> None:
        pid = self._proxy.process.pid
        self.asked += [asyncio.create_task(asyncio.to_thread(reload, pid)) for _ in range(3)]

    def kill_a_worker(self) -> None:
        with contextlib.suppress(ProcessLookupError, FileNotFoundError, IndexError):
            victim = self._chance.choice(self._proxy.worker_pids())
            os.kill(victim, signal.SIGSTOP)
            self.killed |= ports_in_the_hands_of(victim)
            os.kill(victim, signal.SIGKILL)

    def kill_control(self) -> None:
        with contextlib.suppress(ProcessLookupError, IndexError):
            os.kill(self._chance.choice(self._proxy.control_pids()), signal.SIGKILL)

    def reopen_logs(self) -> None:
        self._proxy.process.send_signal(signal.SIGUSR1)

    async def happens(self) -> None:
        """One thing after the other, in any order, at any distance; what was asked for is answered at last."""
        things = [self.write, self.write_a_wrong_one, self.ask_for_reloads, self.kill_a_worker, self.kill_control]
        things += [self.signal_a_reload] * 3 + [self.reopen_logs]
        for _ in range(_STEPS):
            self._chance.choice(things)()
            await asyncio.sleep(self._chance.choice((0, 0, 0.001, 0.05, 0.2)))  # the storm's own pace
        assert {*await asyncio.gather(*self.asked)} <= {0, 1}, "served by it, or refused"


@asynccontextmanager
async def storm(tmp_path: Path, seed: int) -> AsyncIterator[tuple[OnehopProcess, SteadyLoad, Storm]]:
    file, service, admin = tmp_path / "onehop.toml", CheckedService(), free_port()
    async with service.serving():
        file.write_text(_CONFIG.format(number=0, admin=admin, service=service.port))
        async with onehop("run", "--config", str(file)) as proxy:
            load = SteadyLoad(service, [proxy.port])
            async with load.running():
                await until(lambda: load.done["keep-alive"] > 0)
                yield proxy, load, Storm(proxy, file, admin, service.port, random.Random(seed))


@pytest.mark.parametrize("seed", range(3))
async def test_it_serves_by_the_last_right_configuration_and_loses_nothing_else(tmp_path: Path, seed: int) -> None:
    async with storm(tmp_path, seed) as (proxy, load, chance):
        await chance.happens()
        chance.write()
        assert await asyncio.to_thread(reload, proxy.process.pid) == 0
        async with client(proxy.port) as peer:
            await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\nX-Number: last\r\nConnection: close\r\n\r\n")
            assert fields_of((await peer.response())[0])["x-config"] == [str(chance.number)]
        before = {kind: load.done[kind] for kind in ("keep-alive", "new", "upload", "slow", "tunnel")}
        await until(lambda: all(load.done[kind] > count for kind, count in before.items()))
    load.check(may_have_failed=lambda failure: failure.local_port in chance.killed)


ENDS = [
    [signal.SIGHUP, signal.SIGTERM],
    [signal.SIGTERM, signal.SIGHUP],
    [signal.SIGHUP, signal.SIGHUP, signal.SIGINT],
    [signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGTERM],
]


@pytest.mark.parametrize("pause_s", [0, 0.02, 0.1])
@pytest.mark.parametrize("signals", ENDS)
async def test_a_stop_at_any_moment_of_a_reload_ends_every_process(
    tmp_path: Path, signals: list[signal.Signals], pause_s: float
) -> None:
    service, file = CheckedService(), tmp_path / "onehop.toml"
    async with service.serving():
        file.write_text(_CONFIG.format(number=0, admin=free_port(), service=service.port))
        async with onehop("run", "--config", str(file)) as proxy:
            living = set(family(proxy.process.pid))
            for number in signals:
                proxy.process.send_signal(number)
                await asyncio.sleep(pause_s)  # where the reload is by then
                living |= set(family(proxy.process.pid))
            async with asyncio.timeout(PATIENCE_S):
                assert await proxy.process.wait() == 0
    assert [pid for pid in living if not has_ended(pid)] == []


async def test_signals_up_to_the_very_end_do_not_change_the_exit_status(tmp_path: Path) -> None:
    service, file = CheckedService(), tmp_path / "onehop.toml"
    async with service.serving():
        file.write_text(_CONFIG.format(number=0, admin=free_port(), service=service.port))
        async with onehop("run", "--config", str(file)) as proxy:
            async with asyncio.timeout(PATIENCE_S):
                while proxy.process.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        proxy.process.send_signal(signal.SIGTERM)
                    await asyncio.sleep(0.001)
            assert proxy.process.returncode == 0
