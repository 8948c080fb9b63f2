"""A real worker on a real socket, inside the test's loop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

from proxy.config.build import listen_addresses
from proxy.config.model import Config
from proxy.config.route_model import RouteConfig
from proxy.config.upstream_model import UpstreamConfig
from proxy.exchange.buckets import Buckets
from proxy.exchange.context import Observe
from proxy.policy.settings import Limits, PoolSettings, Timeouts
from proxy.process.listeners import Listeners
from proxy.process.worker import Worker
from proxy.telemetry.counters import Seat
from proxy.telemetry.events import Sink
from proxy.telemetry.record import ExchangeRecord
from proxy.upstream.resolver import Lookup, system_lookup
from tests.harness.scripted import PATIENCE_S

#: The settings of `reader`, by name: a test's parameter is a plain string.
READERS: Final[dict[str, Literal["auto", "h11"]]] = {"auto": "auto", "h11": "h11"}


class RunningProxy:
    """A worker, its port, and the records it has reported."""

    def __init__(self, worker: Worker, port: int, records: "Records") -> None:
        self.worker = worker
        self.port = port
        self.records = records

    @property
    def idle_upstreams(self) -> int:
        """How many upstream connections stand idle in the pool."""
        return len(self.worker.pool)


class Records(list[ExchangeRecord]):
    """What was reported, in order, with a way to wait for it."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def report(self, record: ExchangeRecord) -> None:
        self.append(record)
        self._changed.set()

    async def wait_for(self, count: int) -> None:
        """Wait until at least `count` exchanges have ended."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self) < count:
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def running_proxy(
    *upstream_ports: int,
    reader: str = "auto",
    timeouts: dict[str, float] | None = None,
    limits: dict[str, int] | None = None,
    pool: dict[str, Any] | None = None,
    upstream: dict[str, Any] | None = None,
    sinks: Sequence[Sink] = (),
    counts: Seat | None = None,
    lookup: Lookup = system_lookup,
    buckets: Buckets | None = None,
    observe: Observe | None = None,
    **settings: Any,
) -> AsyncIterator[RunningProxy]:
    """A worker in front of the given loopback ports. Leaving shuts it down, and fails if a task or socket is left over."""
    settings.setdefault(
        "upstreams",
        {"default": UpstreamConfig(urls=[f"http://127.0.0.1:{port}" for port in upstream_ports], **(upstream or {}))},
    )
    settings.setdefault("routes", {"default": RouteConfig(upstream="default")})
    settings.setdefault("listen", ["127.0.0.1:0"])
    config = Config(
        workers=1,
        reader=READERS[reader],
        access_log="off",
        timeouts=Timeouts(**{"linger_s": 0.2, "drain_s": 2.0, **(timeouts or {})}),
        limits=Limits(**(limits or {})),
        pool=PoolSettings(**(pool or {})),
        **settings,
    )
    sockets = Listeners().bind(listen_addresses(config), 1)[0]
    records = Records()
    before = asyncio.all_tasks()
    worker = Worker(
        config,
        sockets,
        "onehop-test",
        buckets=buckets,
        sinks=[*sinks, Sink(ended=records.report)],
        counts=counts,
        lookup=lookup,
        observe=observe,
    )
    await worker.start()
    try:
        yield RunningProxy(worker, 0 if sockets[0].family == socket.AF_UNIX else sockets[0].getsockname()[1], records)
    finally:
        worker.shut_down()
        async with asyncio.timeout(PATIENCE_S):
            await worker.run_until_shut_down()
        for listening in sockets:
            listening.close()
    left_over = {task for task in asyncio.all_tasks() - before if not task.done()}
    assert not worker.clients, f"connections left over: {worker.clients}"
    assert not worker.deadlines.streams, f"streams left open: {worker.deadlines.streams}"
    assert not [t for t in left_over if "proxy" in repr(t.get_coro())], f"tasks left over: {left_over}"
