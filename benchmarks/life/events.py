"""What happens in a proxy's life, under the steady load of `tests.harness.steady_load`: one row each."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from signal import Signals
from typing import Final, NamedTuple, TypeAlias

from benchmarks.life.peers import BALANCER, Peer, children
from tests.harness.processes import ports_in_the_hands_of
from tests.harness.programs import finder, nginx_user
from tests.harness.programs.process import Server, free_port, has_ended, launched
from tests.harness.steady_load import CheckedService, SteadyLoad
from tests.harness.waiting import until

PAUSE_S: Final = 1.0
RELOADS: Final = 10
KILLS: Final = 2
DELAY_S: Final = 2


class Outcome(NamedTuple):
    """What a load has seen, and the clients' ports whose connections a killed worker had."""

    load: SteadyLoad
    lost_with_workers: frozenset[int] = frozenset()


Event: TypeAlias = Callable[[Peer], Awaitable[Outcome]]


@asynccontextmanager
async def _instance(peer: Peer, service: CheckedService, port: int, *, delay_s: int = 0) -> AsyncIterator[Server]:
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "configuration"
        os.chmod(name, 0o755)  # nginx's workers are another user's
        places = {
            "port": port, "upstream": service.port, "folder": name, "file": str(file), "user": nginx_user(), "delay_s": delay_s,
        }  # fmt: skip
        file.write_text(peer.configuration.format(**places))
        async with launched([word.format(**places) for word in peer.command], port) as server:
            yield server


@asynccontextmanager
async def _loaded(peer: Peer, *, delay_s: int = 0) -> AsyncIterator[tuple[Server, SteadyLoad]]:
    service = CheckedService()
    async with service.serving(), _instance(peer, service, free_port(), delay_s=delay_s) as server:
        load = SteadyLoad(service, [server.port])
        async with load.running():
            await asyncio.sleep(PAUSE_S)
            yield server, load


async def reloads(peer: Peer) -> Outcome:
    """Reloads, a pause apart."""
    async with _loaded(peer) as (server, load):
        for _ in range(RELOADS):
            os.kill(server.pid, peer.reload)
            await asyncio.sleep(PAUSE_S)
    return Outcome(load)


async def worker_kills(peer: Peer) -> Outcome:
    """Workers that are killed, each replaced before the next."""
    theirs: set[int] = set()
    async with _loaded(peer) as (server, load):
        for _ in range(KILLS):
            before = children(server.pid, peer.worker)
            os.kill(before[0], Signals.SIGSTOP)  # so that it accepts nobody more while we look
            await asyncio.sleep(0.05)
            theirs |= ports_in_the_hands_of(before[0])
            os.kill(before[0], Signals.SIGKILL)
            await until(lambda: set(children(server.pid, peer.worker)) - set(before) != set())  # noqa: B023
            await asyncio.sleep(PAUSE_S)
    return Outcome(load, frozenset(theirs))


async def control_kill(peer: Peer) -> Outcome:
    """The control process is killed."""
    async with _loaded(peer) as (server, load):
        [control] = children(server.pid, "onehop-control")
        os.kill(control, Signals.SIGKILL)
        await until(lambda: children(server.pid, "onehop-control") not in ([], [control]))
        await asyncio.sleep(PAUSE_S)
    return Outcome(load)


async def delayed_stop(peer: Peer) -> Outcome:
    """A stop with a delay, in which what stands in front ceases to send."""
    async with _loaded(peer, delay_s=DELAY_S) as (server, load):
        os.kill(server.pid, peer.stop)
        await asyncio.sleep(DELAY_S / 2)
        load.stop()
        await until(lambda: has_ended(server.pid))
    return Outcome(load)


async def rolling_restart(peer: Peer) -> Outcome:
    """Two instances behind HAProxy are stopped and started anew, one after the other."""
    service, ports, front = CheckedService(), [free_port(), free_port()], free_port()

    def replica(port: int) -> AbstractAsyncContextManager[Server]:
        return _instance(peer, service, port)

    haproxy = finder("haproxy")()
    assert haproxy is not None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "haproxy.cfg"
        file.write_text(BALANCER.format(front=front, ports=ports))
        async with service.serving(), AsyncExitStack() as replicas:
            running = [await replicas.enter_async_context(replica(port)) for port in ports]
            async with launched([haproxy, "-f", str(file)], front):
                load = SteadyLoad(service, [front])
                async with load.running():
                    for old, port in zip(running, ports, strict=True):
                        await asyncio.sleep(PAUSE_S)
                        os.kill(old.pid, peer.stop)
                        await until(lambda: has_ended(old.pid))  # noqa: B023
                        await replicas.enter_async_context(replica(port))
                    await asyncio.sleep(PAUSE_S)
    return Outcome(load)
