"""Health in a worker: it acts at once on what its own requests meet, and else on what the control process decides.

While there is no control process, it decides by itself: ejected addresses return after their time, and names are looked
up by the connector whenever a connection is opened.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

from proxy.telemetry.error_log import ErrorLog
from proxy.transport.stream import Stream
from proxy.upstream.health import messages
from proxy.upstream.health.ejection import Ejection
from proxy.upstream.health.endpoint import Change
from proxy.upstream.health.messages import ALONE_AFTER_S, Beat, Failed, Known, Message, Missed, Passed, Trying
from proxy.upstream.health.report import Report
from proxy.upstream.health.returning import Returning
from proxy.upstream.health.state import Endpoints
from proxy.upstream.names import is_name
from proxy.upstream.openings import Openings
from proxy.upstream.origin import Origin
from proxy.upstream.pool import Pool
from proxy.upstream.service import Service
from proxy.upstream.stalls import Stalls

_PAUSE_S: Final = 1.0  # between two sweeps: this process did not run, so it says nothing of others
_LOST_AFTER_S: Final = 60.0  # without control, after which the addresses of names that it has told are dropped


def no_control(_: bytes) -> bool:
    """Sends nothing: there is no control process."""
    return False


class WorkerHealth:
    """The health of all services of a worker. `sweep` is to be called a few times in each second."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        services: Mapping[str, Service],
        endpoints: Mapping[str, Endpoints],
        statuses: Mapping[str, Collection[int]],
        pool: Pool,
        connect: Callable[[Origin], Awaitable[Stream]],
        openings: Openings,
        errors: ErrorLog,
        send: Callable[[bytes], bool] = no_control,
    ) -> None:
        self._loop = loop
        self.endpoints = endpoints
        self._pool = pool
        self._openings = openings
        self._stalls: Stalls | None = None
        self._send = send
        self._report = Report(errors)
        self._returning = Returning(loop, connect, self._tried)
        self._heard_at = loop.time() if send is not no_control else -ALONE_AFTER_S
        self._heard = -1  # the version of what control has said last
        self._believes = send is not no_control  # whether what control has said, or left in `Kept`, is still in use
        self._due = 0.0
        self._swept_at = loop.time()
        self._used: dict[str, frozenset[Origin]] = {}
        self._ejections = {
            name: Ejection(
                service,
                endpoints[name],
                statuses=statuses[name],
                clock=loop.time,
                tell=self._tell,
                on_change=self._changed,
            )
            for name, service in services.items()
        }
        if any(each.looks_for_stalls and _has_choice(each.endpoints) for each in self._ejections.values()):
            self._stalls = Stalls()
            pool.on_opened.append(self._stalls.opened)
        for name, ejection in self._ejections.items():
            ejection.service.health = ejection
            ejection.apply()
            self._used[name] = _origins_of(ejection)

    @property
    def is_alone(self) -> bool:
        """Whether no control process decides."""
        return self._loop.time() - self._heard_at >= ALONE_AFTER_S

    # -- control -------------------------------------------------------------------------------------------------

    def control_began(self) -> None:
        """There is a new control process, which says what it knows before long."""
        self._heard_at, self._heard = self._loop.time(), -1

    def receive(self, data: bytes) -> None:
        """A message of the control process; raises msgspec.DecodeError where it is none of ours."""
        message = messages.decode(data)
        self._heard_at = self._loop.time()
        match message:
            case Known():
                self._heard, self._believes = message.version, True
                ejection = self._ejections.get(message.upstream)
                if ejection is not None:
                    ejection.endpoints.adopt(message.endpoints)
                    ejection.apply()
                    self._follow(message.upstream)
            case Beat():
                if message.version != self._heard:
                    self._heard = message.version
                    self._tell(Missed())
            case Failed() | Passed() | Trying() | Missed():
                pass  # what workers say

    def _tell(self, message: Message) -> bool:
        return self._send(messages.encode(message))

    # -- time ----------------------------------------------------------------------------------------------------

    def sweep(self, now: float) -> None:
        """Do what is due: give stuck openings up, let shares grow, and, without control, end ejections."""
        pause_s, self._swept_at = now - self._swept_at, now
        if pause_s > _PAUSE_S:
            self._heard_at += pause_s  # a container that was paused: what control has said meanwhile is still unread
        if self._openings:
            self._give_up_stuck_openings(now)
        if self._stalls is not None:
            self._look_for_stalls(self._stalls, now)
        if now < self._due:
            return
        self._due = now + 1.0
        is_alone = self.is_alone
        for name, ejection in self._ejections.items():
            if is_alone:
                if self._believes and now - self._heard_at >= _LOST_AFTER_S:
                    ejection.endpoints.reset()
                    self._heard = -1  # should the same control process go on, it has to tell everything again
                    self._apply(ejection)
                self._returning.start(ejection.endpoints.to_connect(now))
                self._report.use(name, ejection.endpoints, now)
            if (growing_s := ejection.endpoints.next_share_s(now)) is not None or ejection.is_growing:
                self._due = min(self._due, now + (growing_s or 0.0))
                self._apply(ejection)
        if is_alone and now - self._heard_at >= _LOST_AFTER_S:
            self._believes = False

    def _give_up_stuck_openings(self, now: float) -> None:
        """Where several connections to an origin wait for long, let all but a few requests go elsewhere at once: if an
        origin swallows connections, every client may wait for one of them. What was ended counts as failed."""
        for origin, attempts in self._openings.stuck(now).items():
            ejections = [each for each in self._ejections.values() if origin in each.endpoints]
            if all(each.endpoints.has_better_than(origin) for each in ejections):
                kept = max((each.endpoints.limit for each in ejections), default=len(attempts))
                for attempt in attempts[kept:]:
                    self._openings.give_up(attempt)

    def _look_for_stalls(self, stalls: Stalls, now: float) -> None:
        """Send no more than one request at a time to an origin that has fallen silent, while others answer."""
        stalls.look(now)
        for name, ejection in self._ejections.items():
            for origin in ejection.look_for_stalls(stalls, now):
                self._report.stalled(name, origin)

    def close(self) -> None:
        """Begin nothing more."""
        self._due = float("inf")
        self._returning.close()

    def _tried(self, origin: Origin, cause: str | None) -> None:
        now = self._loop.time()
        for name, ejection in self._ejections.items():
            endpoints = ejection.endpoints
            changes = endpoints.tried(origin, cause, now)
            if changes:
                self._apply(ejection)
                self._changed(name, changes, False)

    # -- consequences --------------------------------------------------------------------------------------------

    def _apply(self, ejection: Ejection) -> None:
        ejection.apply()
        self._follow(ejection.service.name)

    def _changed(self, upstream: str, changes: list[Change], told: bool) -> None:
        self._follow(upstream)
        if not told:
            now, endpoints = self._loop.time(), self._ejections[upstream].endpoints
            self._report.changes(upstream, endpoints, changes, now)
            self._report.use(upstream, endpoints, now)

    def _follow(self, upstream: str) -> None:
        """Let the pool know which addresses are used, and which are no more."""
        before, after = self._used[upstream], _origins_of(self._ejections[upstream])
        if before == after:
            return
        self._used[upstream] = after
        if self._stalls is not None:
            self._stalls.forget(frozenset().union(*self._used.values()))
        for origin in after - before:
            self._pool.restore(origin)
        for origin in before - after - frozenset().union(*self._used.values()):
            self._pool.retire(origin)


def _has_choice(endpoints: Endpoints) -> bool:
    """Whether there are several addresses, or may be."""
    return len(endpoints.configured) > 1 or any(is_name(each.origin.host) for each in endpoints.configured)


def _origins_of(ejection: Ejection) -> frozenset[Origin]:
    return frozenset(candidate.origin for candidate in ejection.usable.candidates)
