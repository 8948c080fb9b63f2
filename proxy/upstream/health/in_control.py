"""Health in the control process: follows names, asks health checks, gathers what workers report, and tells all workers
what follows from it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from proxy.telemetry.error_log import ErrorLog
from proxy.upstream.health import messages, shown
from proxy.upstream.health.active import AT_ONCE, Checks, Connect, ask
from proxy.upstream.health.endpoint import Change, Endpoint, State
from proxy.upstream.health.kept import Kept
from proxy.upstream.health.messages import BEAT_S, Beat, Failed, Known, Missed, Passed, Trying
from proxy.upstream.health.report import Report
from proxy.upstream.health.returning import Returning
from proxy.upstream.health.settings import HealthCheckSettings
from proxy.upstream.health.state import Endpoints
from proxy.upstream.health.trials import Trials
from proxy.upstream.names import Names, is_name
from proxy.upstream.origin import Origin

_LOOK_S: Final = 0.1  # how often is looked for what is due


class Watched(NamedTuple):
    """One upstream."""

    endpoints: Endpoints
    check: HealthCheckSettings | None = None
    host: str = ""  # what Host says to it, if not the origin's own
    resolve_s: float = 30.0


class Workers(Protocol):
    """How workers are reached."""

    @property
    def seats(self) -> list[int]:
        """Of all of them."""

    def broadcast(self, message: bytes) -> None:
        """Tell all that can take it."""

    def send(self, seat: int, message: bytes) -> bool:
        """Tell one of them; False where the message is lost. `ControlHealth.tell` is called once it takes more."""


class ControlHealth:
    """The health of all upstreams of an instance."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        upstreams: Mapping[str, Watched],
        workers: Workers,
        errors: ErrorLog,
        *,
        connect: Connect,
        lookup: Callable[[str], Awaitable[list[str]]],
        kept: Kept,
    ) -> None:
        self.upstreams = upstreams
        self._of_host: dict[str, list[str]] = {}  # the upstreams of which a host is an origin
        for name, watched in upstreams.items():
            for host in {candidate.origin.host for candidate in watched.endpoints.configured}:
                self._of_host.setdefault(host, []).append(name)
        self._loop = loop
        self._workers = workers
        self._errors = errors
        self._report = Report(errors)
        self._returning = Returning(loop, connect, self._tried)
        self._names = Names(
            loop, lookup, on_found=self._resolved, on_failed=self._not_found, is_failing=self._is_failing
        )
        at_once = asyncio.Semaphore(AT_ONCE)
        self._checks = {
            name: Checks(
                loop,
                partial(ask, connect, settings=watched.check, host=watched.host),
                interval_s=watched.check.interval_s,
                on_result=partial(self._checked, name),
                at_once=at_once,
            )
            for name, watched in upstreams.items()
            if watched.check is not None
        }
        self._trials = {name: Trials() for name in upstreams}
        self._told = dict.fromkeys(upstreams, b"")  # by upstream: what workers were told last, but its version
        # By seat, the upstreams of which a worker does not know the latest: it takes so much at once and no more.
        self._untold: dict[int, dict[str, None]] = {}
        self._version = 0
        self._kept = kept
        self._beat_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to look names up, to check, and to tell workers."""
        self._kept.restore(self._endpoints())
        now = self._loop.time()
        for name, watched in self.upstreams.items():
            self._trials[name].update(watched.endpoints.usable(now).trials, (), now)
        self._names.follow(
            (candidate.origin.host, watched.resolve_s)
            for watched in self.upstreams.values()
            for candidate in watched.endpoints.configured
            if is_name(candidate.origin.host)
        )
        self._look()
        for name, checks in self._checks.items():
            checks.watch(self._checkable(name))

    async def close(self) -> None:
        """End all work."""
        if self._timer is not None:
            self._timer.cancel()
        self._returning.close()
        await self._names.close()
        for checks in self._checks.values():
            await checks.close()

    def healthy(self) -> dict[tuple[str, str], bool]:
        """By upstream and origin, as the configuration names it: whether one of its addresses is well."""
        return shown.healthy(self._endpoints())

    def status(self) -> dict[str, list[dict[str, Any]]]:
        """By upstream, what is known of each address."""
        return shown.addresses(self._endpoints(), self._loop.time(), time.time())

    def _endpoints(self) -> dict[str, Endpoints]:
        return {name: watched.endpoints for name, watched in self.upstreams.items()}

    # -- workers -------------------------------------------------------------------------------------------------

    def joined(self, seat: int) -> None:
        """A worker knows nothing yet, or has missed something."""
        self._untold[seat] = dict.fromkeys(self.upstreams)
        self.tell(seat)

    def tell(self, seat: int) -> None:
        """A worker takes messages, or does again: tell it what it does not know yet."""
        untold = self._untold.get(seat, {})
        while untold:
            name = next(iter(untold))
            del untold[name]
            if not self._workers.send(seat, self._known(name, seat)):
                untold[name] = None  # behind the others: one that is too long for a message is no reason to stop
                return
        self._untold.pop(seat, None)

    def left(self, seat: int) -> None:
        """A worker has ended."""
        self._untold.pop(seat, None)
        for trials in self._trials.values():
            trials.left(seat, self._loop.time())

    def receive(self, seat: int, data: bytes) -> None:
        """A message of a worker; raises msgspec.DecodeError where it is none of ours."""
        message = messages.decode(data)
        match message:
            case Missed():
                self.joined(seat)
            case Failed() | Passed() | Trying():
                self._met(seat, message)
            case Known() | Beat():
                pass  # what control says

    def _met(self, seat: int, message: Failed | Passed | Trying) -> None:
        watched, now = self.upstreams.get(message.upstream), self._loop.time()
        origin = watched.endpoints.find(message.place, message.address) if watched is not None else None
        if watched is None or origin is None:
            return  # gone meanwhile
        changes: list[Change] = []
        if isinstance(message, Trying):
            self._trials[message.upstream].told(origin, seat, now, began=message.began)
        elif isinstance(message, Passed):
            changes = watched.endpoints.request_passed(origin, now)
        else:
            if message.unreachable:
                self._names.look_again(origin.host)
            changes = watched.endpoints.request_failed(
                origin, message.cause, now, unreachable=message.unreachable, ejected=message.ejected
            )
        self._changed(message.upstream, changes)

    def _known(self, name: str, seat: int) -> bytes:
        turns = self._trials[name].turns
        endpoints = [
            known if turns.get(origin) in (None, seat) else msgspec.structs.replace(known, state=State.EJECTED)
            for origin, known in self.upstreams[name].endpoints.items()
        ]
        return messages.encode(Known(name, endpoints, self._version))

    # -- evidence ------------------------------------------------------------------------------------------------

    def _checked(self, name: str, origin: Origin, cause: str | None) -> None:
        endpoints, now = self.upstreams[name].endpoints, self._loop.time()
        if changes := endpoints.checked(origin, cause, now):
            self._changed(name, changes)

    def _tried(self, origin: Origin, cause: str | None) -> None:
        for name, watched in self.upstreams.items():
            if origin in watched.endpoints:
                self._changed(name, watched.endpoints.tried(origin, cause, self._loop.time()))

    def _not_found(self, host: str, why: str) -> None:
        known = any(
            origin.host == host and origin.address
            for watched in self.upstreams.values()
            for origin, _ in watched.endpoints.items()
        )
        kept = "the addresses that it had are used on" if known else "until it has one, requests get a 503"
        self._errors.warning(f"name {host}: {why}; {kept}")
        if not known:
            self._resolved(host, [])

    def _is_failing(self, host: str) -> bool:
        return any(
            origin.host == host and origin.address and (known.failures or known.state is not State.UP)
            for name in self._of_host[host]
            for origin, known in self.upstreams[name].endpoints.items()
        )

    def _resolved(self, host: str, addresses: list[str]) -> None:
        now = self._loop.time()
        for name in self._of_host[host]:
            watched = self.upstreams[name]
            for place, candidate in enumerate(watched.endpoints.configured):
                if candidate.origin.host != host:
                    continue
                before = watched.endpoints.addresses(place)
                changes = watched.endpoints.resolved(place, addresses, now)
                after = watched.endpoints.addresses(place)
                if set(before) != set(after):
                    if before and after:
                        what = f"{', '.join(after)} now (it had {', '.join(before)})"
                        self._errors.info(f"upstream {name}: {candidate.origin} has {what}")
                    if name in self._checks:
                        self._checks[name].watch(self._checkable(name))
                self._changed(name, changes)

    def _checkable(self, name: str) -> list[Origin]:
        """Whom to ask: a name is asked at its addresses, once it has any."""
        known = self.upstreams[name].endpoints.items()
        return [origin for origin, _ in known if origin.address or not is_name(origin.host)]

    # -- consequences --------------------------------------------------------------------------------------------

    def _changed(self, name: str, changes: list[Change]) -> None:
        """Say what has changed, and tell workers where it matters to them."""
        now, endpoints = self._loop.time(), self.upstreams[name].endpoints
        self._report.changes(name, endpoints, changes, now)
        self._report.use(name, endpoints, now)
        turns = self._trials[name].update(endpoints.usable(now).trials, self._workers.seats, now)
        decided = _decided(endpoints) + str([turns.get(origin, -1) for origin, _ in endpoints.items()]).encode()
        if decided != self._told[name]:
            self._told[name] = decided
            self._version += 1
            self._kept.write(self._endpoints())
            for seat in self._workers.seats:
                is_waiting = seat in self._untold  # for the worker to take more
                self._untold.setdefault(seat, {})[name] = None
                if not is_waiting:
                    self.tell(seat)

    def _look(self) -> None:
        """Do what is due."""
        now = self._loop.time()
        self._timer = self._loop.call_later(_LOOK_S, self._look)
        for name, watched in self.upstreams.items():
            self._returning.start(watched.endpoints.to_connect(now))
            if self._trials[name].turns:
                self._changed(name, [])  # it may be another worker's turn
        if now >= self._beat_at:
            self._beat_at = now + BEAT_S
            self._kept.write(self._endpoints())
            self._workers.broadcast(messages.encode(Beat(self._version)))
            for seat in list(self._untold):
                self.tell(seat)


def _decided(endpoints: Endpoints) -> bytes:
    """What workers go by: not every failure, of which most are followed by a success."""
    parts = [
        Endpoint(
            place=known.place,
            address=known.address,
            state=known.state,
            until=known.until,
            returned_at=known.returned_at,
            unreachable=known.unreachable,
            failures=known.failures if endpoints.is_failing(known) else 0,
        )
        for _, known in endpoints.items()
    ]
    return messages.encode(Known("", parts))
