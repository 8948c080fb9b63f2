"""Workers and a control process in the test's own loop, linked as real ones are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from proxy.config.build import listen_addresses
from proxy.config.model import Config
from proxy.config.route_model import RouteConfig
from proxy.config.upstream_model import UpstreamConfig
from proxy.policy.settings import Timeouts
from proxy.process.control import Control
from proxy.process.link import Hub, Link, pair
from proxy.process.listeners import Listeners
from proxy.process.worker import Worker
from proxy.telemetry.error_log import ErrorLog
from proxy.telemetry.events import Sink
from proxy.upstream.health.kept import Kept
from proxy.upstream.resolver import Lookup, system_lookup
from tests.harness.running_proxy import Records
from tests.harness.scripted import PATIENCE_S


class Instance:
    """A control process and its workers. `ports` are the workers' own, so that a test chooses which one it asks."""

    def __init__(self, config: Config, lookup: Lookup, worker_lookup: Lookup) -> None:
        self.config = config
        self.records = Records()
        self.workers: list[Worker] = []
        self.ports: list[int] = []
        self._lookup = lookup
        self._worker_lookup = worker_lookup
        self._kept = Kept()
        self._links: list[Link] = []
        self._hub = Hub(asyncio.get_running_loop())
        self.control = Control(config, [], self._hub, ErrorLog(), kept=self._kept, lookup=lookup)
        self._controlling: asyncio.Task[None] | None = None

    async def start_control(self) -> None:
        """Begin, and join the workers that there are."""
        await self.control.start()
        self._controlling = asyncio.get_running_loop().create_task(self.control.run_until_ended())
        for seat, link in enumerate(self._links):
            self._join(seat, link)

    async def end_control(self) -> None:
        """As if the process had died."""
        self.control.end()
        assert self._controlling is not None
        await self._controlling
        self._hub.close()

    async def restart_control(self) -> None:
        """Another process, which knows nothing."""
        await self.end_control()
        self._hub = Hub(asyncio.get_running_loop())
        self.control = Control(self.config, [], self._hub, ErrorLog(), kept=self._kept, lookup=self._lookup)
        await self.start_control()

    def _join(self, seat: int, link: Link) -> None:
        of_worker, of_control = pair()
        self._hub.connect(seat, of_control)
        link.connect(of_worker)

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Worker]:
        """One more worker, while the context lasts."""
        [sockets] = Listeners().bind(listen_addresses(self.config), 1)
        link = Link(asyncio.get_running_loop())
        worker = Worker(
            self.config, sockets, "onehop-test", link=link, sinks=[Sink(ended=self.records.report)],
            kept=self._kept, lookup=self._worker_lookup,
        )  # fmt: skip
        await worker.start()
        if self._controlling is not None:
            self._join(len(self._links), link)
        self._links.append(link)
        self.workers.append(worker)
        self.ports.append(sockets[0].getsockname()[1])
        try:
            yield worker
        finally:
            worker.shut_down()
            async with asyncio.timeout(PATIENCE_S):
                await worker.run_until_shut_down()
            link.close()
            for listening in sockets:
                listening.close()


@asynccontextmanager
async def running_instance(
    upstream: UpstreamConfig | dict[str, UpstreamConfig],
    *,
    workers: int = 2,
    timeouts: dict[str, float] | None = None,
    lookup: Lookup = system_lookup,
    worker_lookup: Lookup | None = None,
    **settings: Any,
) -> AsyncIterator[Instance]:
    """An instance in front of an upstream, or of several, of which each has a route at /NAME."""
    upstreams = upstream if isinstance(upstream, dict) else {"default": upstream}
    routes = {name: RouteConfig(upstream=name, path="/" if name == "default" else f"/{name}") for name in upstreams}
    config = Config(
        listen=["127.0.0.1:0"],
        access_log="off",
        timeouts=Timeouts(**{"linger_s": 0.2, "drain_s": 2.0, **(timeouts or {})}),
        upstreams=upstreams,
        routes=routes,
        **settings,
    )
    instance = Instance(config, lookup, worker_lookup or lookup)
    async with AsyncExitStack() as stack:
        for _ in range(workers):
            await stack.enter_async_context(instance.worker())
        await instance.start_control()
        try:
            yield instance
        finally:
            await instance.end_control()
