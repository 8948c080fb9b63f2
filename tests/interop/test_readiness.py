"""What stands in front asks whether an instance is ready, again and again: while it reloads, loses processes, and stops."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.harness.scripted import client
from tests.harness.waiting import until
from tests.interop.test_metrics import running

ASK = b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


class Asking:
    """Asks on a new connection each time, as probes do, and counts what it was answered."""

    def __init__(self, port: int) -> None:
        self.answers: Counter[str] = Counter()
        self._port = port

    async def ask(self) -> str:
        try:
            async with client(self._port) as peer:
                await peer.send(ASK)
                answer = (await peer.rest()).decode()
        except OSError as exc:
            return type(exc).__name__
        return answer.split(" ", 2)[1] if answer else "nothing"

    async def go_on(self) -> None:
        while True:
            self.answers[await self.ask()] += 1

    async def asked(self, times: int) -> None:
        """Wait until it was answered so often from now on."""
        until_then = self.answers.total() + times
        await until(lambda: self.answers.total() >= until_then)


@asynccontextmanager
async def asking(port: int) -> AsyncIterator[Asking]:
    probe = Asking(port)
    tasks = [asyncio.create_task(probe.go_on()) for _ in range(4)]
    try:
        yield probe
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_it_is_ready_all_through_reloads(tmp_path: Path) -> None:
    async with running(tmp_path) as (proxy, admin, _), asking(admin.port) as probe:
        for number in range(2, 5):
            proxy.process.send_signal(signal.SIGHUP)
            await proxy.said(f"reload: generation {number} serves")
            await probe.asked(20)
        await until(lambda: len(proxy.control_pids()) == 1)
        await probe.asked(20)
        assert set(probe.answers) == {"200"}, probe.answers


async def test_while_a_killed_control_process_is_replaced_who_asks_waits(tmp_path: Path) -> None:
    async with running(tmp_path) as (proxy, admin, _):
        [victim] = proxy.control_pids()
        os.kill(victim, signal.SIGKILL)  # nobody is being answered, so nobody loses an answer
        assert await Asking(admin.port).ask() == "200"
        assert proxy.control_pids() != [victim]


async def test_it_is_ready_while_one_worker_of_two_is_replaced(tmp_path: Path) -> None:
    async with running(tmp_path) as (proxy, admin, _), asking(admin.port) as probe:
        victim = proxy.worker_pids()[0]
        os.kill(victim, signal.SIGKILL)
        await until(lambda: victim not in proxy.worker_pids() and len(proxy.worker_pids()) == 2)
        await probe.asked(20)
        assert set(probe.answers) == {"200"}, probe.answers
