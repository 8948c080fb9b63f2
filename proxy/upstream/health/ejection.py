"""What the requests of one worker tell about the addresses of one upstream.

A request that is served costs nothing here, unless some have failed. What a worker learns it acts on at once, and
tells the control process, which tells all others.
"""

from collections.abc import Callable, Collection, Container
from typing import Final, TypeAlias

from proxy.errors import (
    BadResponse,
    ConnectFailed,
    ConnectTimeout,
    ProxyError,
    ResponseTimeout,
    UpstreamClosed,
)
from proxy.upstream.connection import STALLED
from proxy.upstream.health.base import EVERY_STATUS
from proxy.upstream.health.endpoint import Change, Endpoint, State, Usable, Use
from proxy.upstream.health.messages import Failed, Message, Passed, Trying
from proxy.upstream.health.state import Endpoints
from proxy.upstream.origin import Origin
from proxy.upstream.service import Service
from proxy.upstream.stalls import Stalls

_FAILURES: Final = (ConnectFailed, ConnectTimeout, UpstreamClosed, ResponseTimeout, BadResponse)
#: Failures that say nothing about an address: of its name, of one oversized head, of attempts that were cut short here.
_OTHERS_FAULT: Final = frozenset({"dns_error", "dns_timeout", "head_too_large", STALLED})

_NONE: Final = frozenset[Origin]()
_TRIED_S: Final = 2.0  # between the requests that a silent origin gets

#: Told of an upstream's changes, and whether the control process was told, too.
OnChange: TypeAlias = Callable[[str, list[Change], bool], None]


def failure(status: int, error: ProxyError | None, statuses: Container[int]) -> str | None:
    """Why an attempt's end counts as a failure of its origin; None where it does not."""
    if status:
        return f"status {status}" if status in statuses else None
    if isinstance(error, _FAILURES) and error.code not in _OTHERS_FAULT:
        return error.detail or error.code
    return None


class Ejection:
    """The health of one service. Its endpoints may be changed by others, too: `apply` brings the service up to date."""

    def __init__(
        self,
        service: Service,
        endpoints: Endpoints,
        *,
        statuses: Collection[int],
        clock: Callable[[], float],
        tell: Callable[[Message], bool],
        on_change: OnChange,
    ) -> None:
        self.service = service
        self.endpoints = endpoints
        self.usable = Usable([], frozenset(), Use.NORMAL)
        #: Those that have fallen silent, with the number of their answers then: each gets a request now and then.
        self.stalled: dict[Origin, int] = {}
        self._tried_at: dict[Origin, float] = {}  # when a request of a silent one was first seen
        self._left_silent: set[Origin] = set()  # those that were silent as they were left out for another reason
        self._trying: set[Origin] = set()  # on trial, and a request of this worker is under way there
        self._suspects: frozenset[Origin] = frozenset()
        self._was_cautious = False
        self.is_growing = False  # whether an address has not its full share yet
        service.failing_statuses = self._statuses = frozenset(statuses)
        self._clock = clock
        self._tell = tell
        self._on_change = on_change

    def attempt_ended(self, origin: Origin, status: int, error: ProxyError | None) -> None:
        """As `Service.finished`, which calls this."""
        cause = failure(status, error, self._statuses)
        had_turn = origin in self._trying
        self._trying.discard(origin)
        if cause is not None:
            self._failed(origin, cause, unreachable=isinstance(error, ConnectFailed | ConnectTimeout))
            if had_turn:  # it may not be ejected where too many are out: then another worker may try it, too
                self._tell_of_trial(origin, began=False)
        elif status:
            self.served(origin)
        elif self.usable.trials or self._was_cautious:
            self._tell_of_trial(origin, began=False)
            self.apply()  # a trial that was given up is offered again

    def trial_began(self, origin: Origin) -> None:
        """As `Health.trial_began`."""
        self._trying.add(origin)
        self._tell_of_trial(origin, began=True)

    def _tell_of_trial(self, origin: Origin, *, began: bool) -> None:
        if origin in self.usable.trials and origin in self.endpoints:
            known = self.endpoints[origin]
            self._tell(Trying(self.service.name, known.place, known.address, began))

    def knows(self, origin: Origin) -> bool:
        """As `Health.knows`."""
        return origin in self.endpoints

    def served(self, origin: Origin) -> None:
        """A request gets its response from there."""
        if origin not in self.endpoints:
            return
        known = self.endpoints[origin]
        had_failed = known.failures > 0
        changes = self.endpoints.request_passed(origin, self._clock())
        if had_failed or changes:
            told = self._tell(Passed(self.service.name, known.place, known.address))
            self._changed(changes, told)

    def _failed(self, origin: Origin, cause: str, *, unreachable: bool) -> None:
        if origin not in self.endpoints:
            return
        known = self.endpoints[origin]
        before = _evidence(known)
        changes = self.endpoints.request_failed(origin, cause, self._clock(), unreachable=unreachable)
        if _evidence(known) == before:
            return
        told = False
        if known.failures <= self.endpoints.limit:  # beyond it, each request would send control a message
            ejected = known.state is State.EJECTED
            told = self._tell(Failed(self.service.name, known.place, known.address, cause, unreachable, ejected))
        self._changed(changes, told)

    def _changed(self, changes: list[Change], told: bool) -> None:
        self.apply()
        self._on_change(self.service.name, changes, told)

    def apply(self) -> None:
        """Let the service use what may be used."""
        now = self._clock()
        usable = self.endpoints.usable(now)
        self._suspects = self.endpoints.suspects() if self.looks_for_stalls else _NONE
        if usable != self.usable or usable.trials or self.stalled or self._suspects or self._was_cautious:
            self.service.use(usable.candidates, usable.trials | self._cautious(usable))
            self.service.ejected = self.endpoints.ejected()
            self.usable = usable
        self.is_growing = self.endpoints.next_share_s(now) is not None
        self.service.reported_statuses = EVERY_STATUS if self.endpoints.wants_successes() else self._statuses

    @property
    def looks_for_stalls(self) -> bool:
        """Whether silent and failing origins are left alone: not where clients have to stay with their
        origin (sticky sessions)."""
        return self.endpoints.limit > 0 and not self.service.has_affinity

    def look_for_stalls(self, stalls: Stalls, now: float) -> set[Origin]:
        """See which origins have fallen silent, and which answer again; returns those that are new. Requests that wait
        for long at silent ones are hurried."""
        if not self.looks_for_stalls or len(self.endpoints) < 2:
            return set()
        origins = {candidate.origin for candidate in self.usable.candidates}
        before = self.stalled
        new = stalls.stalled(origins, self.endpoints.limit, now) - before.keys()
        answers = stalls.answers
        self.stalled = {
            origin: count for origin, count in before.items() if origin in origins and answers.get(origin, 0) == count
        } | {origin: answers.get(origin, 0) for origin in new}
        if self.stalled or before:
            self._pace_trials(before, now)
            self.apply()
        # Requests at an origin that fails now may be answered all the same: only those at silent ones are hurried.
        self._left_silent = {origin for origin in self._left_silent.union(before) if origin not in origins}
        if self.usable.use is Use.NORMAL:
            stalls.hurry(self._left_silent.union(self.stalled), now)
        return new

    def _pace_trials(self, before: Collection[Origin], now: float) -> None:
        """Let each silent origin have its next request `_TRIED_S` after the last one, whatever has become of that: it
        may be connecting, be sent for hours, or have gone elsewhere, and what waited there before ends at any time."""
        awaited = self.service.awaited_trials
        awaited.difference_update(set(before) - self.stalled.keys())
        tried = {origin: self._tried_at.get(origin, now) for origin in self.stalled if origin in awaited}
        self._tried_at = {origin: since for origin, since in tried.items() if now - since < _TRIED_S}
        awaited.difference_update(tried.keys() - self._tried_at.keys())
        self.service.silent = self.stalled

    def _cautious(self, usable: Usable) -> frozenset[Origin]:
        """Those that are silent, or at which the last request failed, and that are left alone, as there is something
        better."""
        doubtful = self._suspects.union(self.stalled)
        better = [
            candidate
            for candidate in usable.candidates
            if candidate.origin not in usable.trials and candidate.origin not in doubtful
        ]
        found = _NONE
        if usable.use is Use.NORMAL and not all(candidate.backup for candidate in better):
            found = doubtful
        self._was_cautious = bool(found)
        return found


def _evidence(known: Endpoint) -> tuple[State, int]:
    return known.state, known.failures
