"""What every exchange of a worker shares: its routing table, pool and settings."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from proxy.exchange.buckets import Buckets
from proxy.exchange.passwords import Passwords
from proxy.policy.explaining import Explaining
from proxy.policy.forwarded import Network
from proxy.policy.routing import RoutingTable
from proxy.policy.settings import Limits, PlanSettings, Timeouts
from proxy.telemetry.events import Sink
from proxy.telemetry.record import ExchangeRecord
from proxy.telemetry.seen import Look
from proxy.telemetry.trace import Sampling
from proxy.upstream.pool import Pool
from proxy.upstream.service import Service

#: Called when a request is about to go to an upstream; `seen` of its record says what was decided about each field.
Observe: TypeAlias = Callable[[ExchangeRecord], None]


class Copy(Protocol):
    """A copy of a request, for a mirror."""

    def stop(self) -> None:
        """Give it up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerContext:
    """Handed to every exchange."""

    loop: asyncio.AbstractEventLoop  # asking asyncio for it costs a system call each time, before Python 3.12
    pool: Pool
    routes: RoutingTable
    services: Mapping[str, Service]  # by the upstream's name
    timeouts: Timeouts
    limits: Limits
    replay_bytes: int
    settings: PlanSettings
    trusted: tuple[Network, ...]
    next_request_id: Callable[[], str]
    http_date: Callable[[], bytes]
    events: Sink
    passwords: Passwords
    report_defect: Callable[[BaseException, str], None]  # with the id of the request that met it
    warn_x_forwarded_dropped: Callable[[str], None]  # with the address of a peer whose X-Forwarded-* was dropped
    buckets: Buckets | None = None  # of rate limits; None where no route has any
    copies: set["Copy"] = field(default_factory=set)  # of requests, for mirrors, under way
    sampling: Sampling | None = None  # None: tracing is off, and trace context passes untouched
    explaining: Explaining | None = None  # None: no response says what was decided
    look: Look | None = None  # None: what exchanges carried is not recorded
    observe: Observe | None = None

    def stop_copies(self) -> None:
        """Give up every copy: the worker ends."""
        for copy in list(self.copies):
            copy.stop()
