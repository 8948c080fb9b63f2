"""An admin listener on a real socket, over counts that a test makes."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from proxy.admin.exchanges import Exchanges
from proxy.admin.instance import Instance
from proxy.admin.server import AdminServer, application
from proxy.config.describe import RouteInWords, UpstreamInWords
from proxy.telemetry import series
from proxy.telemetry.counters import Ledger
from proxy.telemetry.error_log import ErrorLog
from proxy.telemetry.series import Names
from proxy.transport.certificates import Described
from tests.harness.scripted import client

ROUTES = ["api", "web"]
ORIGINS = [("app", "a:1"), ("app", "b:1")]
PARENT = -1


class Counts:
    """An instance of two seats, and one of the parent."""

    def __init__(self, routes: list[str] = ROUTES, seats: int = 2) -> None:
        self.ledger = Ledger()
        self.ledger.extend(Names(routes, ORIGINS))
        self.ready = True
        self.healthy = dict.fromkeys(ORIGINS, True)
        self.certificates: dict[str, Described] = {}
        self.addresses: dict[str, list[dict[str, Any]]] = {}
        for number in range(seats):
            gauges = self.ledger.seat(number).gauges()
            assert gauges is not None
            gauges[series.PID], gauges[series.BEAT] = 100.0 + number, monotonic()
        parent = self.ledger.seat(PARENT).gauges()
        assert parent is not None
        parent[series.GENERATION] = 3.0
        self.instance = Instance(
            ledger=self.ledger, parent=PARENT, pseudonym="onehop-1234", is_ready=lambda: self.ready,
            healthy=lambda: self.healthy, origins={"api": tuple(ORIGINS)}, certificates=lambda: self.certificates,
            addresses=lambda: self.addresses, settings=lambda: [("workers", "2", "/a.toml:1")],
            routes={"api": RouteInWords("any host, path /", "upstream app", ("app",))},
            upstreams={"app": UpstreamInWords("round robin", "", 8, 16)},
        )  # fmt: skip

    def hang(self, seat: int, seconds: float) -> None:
        """Its worker wrote its gauges so long ago."""
        gauges = self.ledger.seats[seat].gauges()
        assert gauges is not None
        gauges[series.BEAT] = monotonic() - seconds


class Admin:
    """A listener, and how to ask it."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def get(self, path: str, *fields: str, host: str = "127.0.0.1:9901") -> tuple[int, str, str]:
        """Status, head and body of an answer."""
        async with client(self.port) as peer:
            lines = "".join(f"{field}\r\n" for field in fields)
            await peer.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}\r\n".encode())
            head, body = await peer.response()
        found = re.match(rb"HTTP/1.1 (\d+) ", head)
        assert found is not None
        return int(found[1]), head.decode(), body.decode()

    async def samples(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """What a scrape says, by name and sorted labels."""
        status, head, text = await self.get("/metrics")
        assert (status, "text/plain" in head) == (200, True), head
        return samples(text)


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """A scrape's samples, by name and sorted labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def labelled(name: str, **labels: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The key of a sample."""
    return name, tuple(sorted(labels.items()))


@asynccontextmanager
async def serving(
    counts: Counts, *, token: str = "", is_loopback: bool = True, exchanges: Exchanges | None = None
) -> AsyncIterator[Admin]:
    """The listener, until it is left."""
    listening = socket.create_server(("127.0.0.1", 0))
    app = application(counts.instance, token, is_loopback=is_loopback, exchanges=exchanges)
    server = AdminServer(app, ErrorLog())
    task = asyncio.create_task(server.serve(listening))
    try:
        yield Admin(listening.getsockname()[1])
    finally:
        server.end()
        await task
        listening.close()
