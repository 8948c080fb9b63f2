"""What every exchange of a worker shares: its routing table, pool and settings."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Protocol, TypeAlias

from proxy.exchange.buckets import Buckets
from proxy.exchange.passwords import Passwords
from proxy.policy.explaining import Explaining
from proxy.policy.forwarded import Network
from proxy.policy.plan_settings import PlanSettings
from proxy.policy.routing import RoutingTable
from proxy.policy.settings import Limits, Timeouts
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


class WorkerContext:
    """Handed to every exchange; nothing of it is replaced. Without `sampling`, tracing is off, and trace context passes
    untouched; without `explaining`, no response says what was decided; without `look`, what exchanges carried is not
    recorded."""

    __slots__ = (
        "buckets", "copies", "events", "explaining", "http_date", "limits", "look", "loop", "next_request_id",
        "observe", "passwords", "pool", "replay_bytes", "report_defect", "routes", "sampling", "services", "settings",
        "timeouts", "trusted", "warn_x_forwarded_dropped",
    )  # fmt: skip

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        pool: Pool,
        routes: RoutingTable,
        services: Mapping[str, Service],
        timeouts: Timeouts,
        limits: Limits,
        replay_bytes: int,
        settings: PlanSettings,
        trusted: tuple[Network, ...],
        next_request_id: Callable[[], str],
        http_date: Callable[[], bytes],
        events: Sink,
        passwords: Passwords,
        report_defect: Callable[[BaseException, str], None],
        warn_x_forwarded_dropped: Callable[[str], None],
        buckets: Buckets | None = None,
        sampling: Sampling | None = None,
        explaining: Explaining | None = None,
        look: Look | None = None,
        observe: Observe | None = None,
    ) -> None:
        self.loop: Final = loop  # asking asyncio for it costs a system call each time, before Python 3.12
        self.pool: Final = pool
        self.routes: Final = routes
        self.services: Final = services  # by the upstream's name
        self.timeouts: Final = timeouts
        self.limits: Final = limits
        self.replay_bytes: Final = replay_bytes
        self.settings: Final = settings
        self.trusted: Final = trusted
        self.next_request_id: Final = next_request_id
        self.http_date: Final = http_date
        self.events: Final = events
        self.passwords: Final = passwords
        self.report_defect: Final = report_defect  # with the id of the request that met it
        self.warn_x_forwarded_dropped: Final = warn_x_forwarded_dropped  # with the peer's address
        self.buckets: Final = buckets  # of rate limits; None where no route has any
        self.copies: Final[set[Copy]] = set()  # of requests, for mirrors, under way
        self.sampling: Final = sampling
        self.explaining: Final = explaining
        self.look: Final = look
        self.observe: Final = observe

    def stop_copies(self) -> None:
        """Give up every copy: the worker ends."""
        for copy in list(self.copies):
            copy.stop()
