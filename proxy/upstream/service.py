"""One upstream as an exchange sees it: which origin to try next, and where to report how that went.

An exchange asks `choose` before each attempt and reports each to `finished`; it knows neither the balancing policy nor
which origins are healthy.
"""

from collections.abc import Collection, Container, Iterable, Sequence
from typing import Final

from proxy.errors import ConnectTimeout, ProxyError, TlsFailed
from proxy.http1.fields import FieldLine
from proxy.policy.retry import CONNECT_FAILURE, RetrySettings
from proxy.upstream.balancing.base import BalancedRequest, Balancing
from proxy.upstream.balancing.hash import Hash
from proxy.upstream.balancing.sticky import Sticky
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.connection_limit import ConnectionLimit
from proxy.upstream.health.base import Health
from proxy.upstream.origin import Candidate, Origin
from proxy.upstream.retry_budget import FLOOR, RetryBudget

_MOST_PASSED_OVER: Final = 5  # by a trial: a service may get no other requests
_NO_SETTINGS: Final = RetrySettings()


class Service:
    """The origins of one upstream, in one worker."""

    __slots__ = (
        "_backups", "_balancing", "_configured", "_follows_attempts", "_in_use", "_on_trial", "_only",
        "_passed_over", "_primaries", "_trials", "awaited_trials", "budget", "ejected", "failing_statuses",
        "has_affinity", "health", "is_sticky", "limit", "name", "repeatable", "reported_statuses", "retried_statuses",
        "retries", "silent",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        candidates: Iterable[Candidate],
        balancing: Balancing,
        retries: RetrySettings = _NO_SETTINGS,
        *,
        workers: int = 1,
    ) -> None:
        """`workers` are those of the instance, over which what concerns all of it is divided."""
        candidates = tuple(candidates)
        self.name = name
        self._configured = [candidate.origin.label for candidate in candidates]
        self.retries = retries
        self.retried_statuses = retries.statuses
        self.repeatable = retries.repeatable
        self.budget = RetryBudget(retries.budget_percent, FLOOR / workers)
        self._balancing = balancing
        self.is_sticky = isinstance(balancing, Sticky)
        self.has_affinity = isinstance(balancing, Sticky | Hash)  # origins keep something for clients, or for keys
        self._follows_attempts = balancing.follows_attempts
        self._primaries: tuple[Candidate, ...] = ()
        self._backups: tuple[Candidate, ...] = ()
        self._in_use: tuple[Candidate, ...] = ()  # those of the two that first attempts are made at
        self._only: Origin | None = None  # where there is no choice to make, and no load to count
        self._trials: frozenset[Origin] = frozenset()
        self._on_trial: list[Candidate] = []
        self._passed_over = 0  # requests that a trial might have had, since the last that it got
        self.awaited_trials: set[Origin] = set()  # those on trial whose request waits for its response
        self.silent: Container[Origin] = ()  # those on trial whose next request only `health` allows
        self.limit: ConnectionLimit[UpstreamConnection] | None = None  # of connections to each origin
        self.use(candidates)
        self.ejected: Sequence[Origin] = ()  # left out of `use`, because requests failed there
        self.health: Health | None = None
        self.reported_statuses: Container[int] = ()  # statuses that are reported to `health`, beside every error
        self.failing_statuses: Container[int] = ()  # those that count as a failure of the origin

    def __repr__(self) -> str:
        return f"<Service {self.name}: {', '.join(str(candidate.origin) for candidate in self._in_use)}>"

    def use(self, candidates: Iterable[Candidate], trials: Collection[Origin] = ()) -> None:
        """From now on, choose among these: at least one that is not on trial, in the order of the configuration. An
        origin that is listed twice gets the sum of its weights; one on trial gets one request at a time."""
        merged: dict[Origin, Candidate] = {}
        for candidate in candidates:
            before = merged.get(candidate.origin)
            if before is not None:
                weight = before.weight + candidate.weight
                candidate = Candidate(candidate.origin, weight, before.backup and candidate.backup)
            merged[candidate.origin] = candidate
        if not merged:
            raise ValueError("a service has at least one origin")
        steady = [candidate for candidate in merged.values() if candidate.origin not in trials]
        self._primaries = tuple(candidate for candidate in steady if not candidate.backup)
        self._backups = tuple(candidate for candidate in steady if candidate.backup)
        self._in_use = self._primaries or self._backups
        self._trials = frozenset(trials)
        # A request that was given up after its origin's trial had ended elsewhere would stand in the way of the next.
        self.awaited_trials &= self._trials
        self._on_trial = [candidate for candidate in merged.values() if candidate.origin in self._trials]
        if trials:
            # One that is no backup is tried even while only backups are steady: else it would never be used again.
            steady = list(self._in_use)
            backup = steady[0].backup
            self._in_use = tuple(
                candidate
                for candidate in merged.values()
                if candidate in steady
                or (candidate.origin in self._trials - self.awaited_trials and (backup or not candidate.backup))
            )
        if self.limit is not None:
            self.limit.use([candidate.origin for candidate in self._in_use])
        alone = len(self._in_use) == 1 and not self._follows_attempts
        self._only = self._in_use[0].origin if alone else None

    def choose(self, request: BalancedRequest) -> Origin:
        """The origin for the first attempt of a request, whose end `finished` must be told."""
        self.budget.requests += 1
        return self._only or self._choose(self._in_use, request)

    def retry(
        self,
        request: BalancedRequest,
        tried: Sequence[Origin],
        reason: str,
        now: float,
        *,
        replayable: bool,
        error: ProxyError | None = None,
    ) -> Origin | None:
        """The origin for another attempt, whose end `finished` must be told; None where none is to be made.

        `tried` are the origins at which attempts of this request have failed, the last one last, for this `reason` of
        `policy.retry`, and with this `error` unless a response was the reason. `replayable`: the whole body, if any, is
        still at hand.
        """
        settings = self.retries
        if reason not in settings.on or len(tried) >= settings.attempts:
            return None
        if reason != CONNECT_FAILURE and not (replayable and request.head.method in settings.repeatable):
            return None
        candidates: Sequence[Candidate] = self._left(tried)
        if not candidates:
            if reason == CONNECT_FAILURE:
                # Those tried would refuse again at once, or cost `connect_s` once more. While the origins of a service
                # restart one after the other, one that was ejected may be back already.
                candidates = [Candidate(origin) for origin in self.ejected if origin not in tried]
                if not candidates:
                    return None
            else:
                candidates = self._left(tried[-1:]) or self._in_use
        return self._choose(candidates, request, again=True) if self._has_budget(tried, reason, error, now) else None

    def _has_budget(self, tried: Sequence[Origin], reason: str, error: ProxyError | None, now: float) -> bool:
        # The budget keeps retries from multiplying the work of services. Where no connection could be opened, none has
        # worked for the request, and counting it would let requests fail beside healthy origins while others restart.
        # A TLS handshake is work: a service too overloaded to finish it in time would get twice as many.
        if reason == CONNECT_FAILURE:
            shook_hands = isinstance(error, TlsFailed) or (
                isinstance(error, ConnectTimeout) and tried[-1].tls is not None
            )
            # It was connecting as its origin was ejected: a moment later, it would have been sent elsewhere at once.
            if not shook_hands or tried[-1] in self.ejected:
                return True
        return self.budget.take(now)

    def origin_at_new_address(
        self, tried: Sequence[Origin], addresses: Iterable[str], now: float, error: ProxyError | None = None
    ) -> Origin | None:
        """Where a request goes that no origin has accepted, if the name of the last one has another address now, which
        the control process has not announced yet; None: nowhere. As for `retry`, `finished` must be told of its end."""
        health, settings = self.health, self.retries
        may_retry = CONNECT_FAILURE in settings.on and settings.attempts > 1
        if health is None or not may_retry or len(tried) > settings.attempts:
            return None
        for address in addresses:
            origin = tried[-1]._replace(address=address)
            if origin not in tried and not health.knows(origin):
                if not self._has_budget(tried, CONNECT_FAILURE, error, now):
                    return None
                if self._follows_attempts:
                    self._balancing.started(origin)
                return origin
        return None

    def _left(self, tried: Sequence[Origin]) -> Sequence[Candidate]:
        """Where else a request may go."""
        return _without(tried, self._primaries) or _without(tried, self._backups) or self._trials_left(tried)

    def _choose(self, candidates: Sequence[Candidate], request: BalancedRequest, *, again: bool = False) -> Origin:
        origin = self._balancing.choose(candidates, request, again=again)
        if self._trials and origin in self._trials and self._passes_over(request):
            steady = [candidate for candidate in candidates if candidate.origin not in self._trials]
            if steady:
                origin = self._balancing.choose(steady, request, again=again)
        if self.limit is not None and self.limit.is_full(origin) and not self._balancing.has_affinity(request):
            free = [candidate for candidate in candidates if not self.limit.is_full(candidate.origin)]
            if free:
                origin = self._balancing.choose(free, request, again=again)
        if self._follows_attempts:
            self._balancing.started(origin)
        if self._trials and origin in self._trials:
            self._passed_over = 0
            self.awaited_trials.add(origin)
            self._in_use = tuple(candidate for candidate in self._in_use if candidate.origin != origin)
            if self.health is not None:
                self.health.trial_began(origin)
        return origin

    def _passes_over(self, request: BalancedRequest) -> bool:
        """Whether a request is too good for a trial: it could not be sent again, and others may soon come that can."""
        if request.head.method in self.repeatable or self._passed_over >= _MOST_PASSED_OVER:
            return False
        self._passed_over += 1
        return True

    def cookie(self, request: BalancedRequest, origin: Origin, *, secured: bool) -> FieldLine | None:
        """What the response of this origin tells the client to keep, so that it finds the origin again; None where
        nothing is to be told. To be asked only where `is_sticky`."""
        sticky = self._balancing
        return sticky.cookie(request, origin, secured=secured) if isinstance(sticky, Sticky) else None

    def responded(self, origin: Origin, status: int) -> None:
        """The head of an attempt's final response has come. To be called only where `awaited_trials` is not empty: a
        trial is passed as soon as a response begins, which may last for hours; it is failed once `finished` says so."""
        if origin in self.awaited_trials and status not in self.failing_statuses:
            self._trial_ended(origin)
            if self.health is not None:
                self.health.attempt_ended(origin, status, None)

    def limit_connections(self, limit: ConnectionLimit[UpstreamConnection]) -> None:
        """From now on, this limits the connections to each origin."""
        self.limit = limit
        limit.use([candidate.origin for candidate in self._in_use])

    def waits_for(self, request: BalancedRequest, origin: Origin, tried: Sequence[Origin]) -> Origin | None:
        """Whose connection a request waits for, where this origin was chosen for it; None: any that becomes free."""
        return origin if tried or self._balancing.has_affinity(request) else None

    def moved(self, origin: Origin, to: Origin) -> None:
        """A request that waited for a connection to one origin has got one to another."""
        if self._follows_attempts:
            self._balancing.ended(origin)
            self._balancing.started(to)
        if origin in self.awaited_trials:
            self._trial_ended(origin)
            if self.health is not None:
                self.health.attempt_ended(origin, 0, None)  # else nobody would offer the trial again

    def alias(self, label: str) -> str:
        """An origin as clients may read of it: by its place in the configuration, not by its address."""
        return f"{self.name}.{self._configured.index(label) + 1}" if label in self._configured else self.name

    def finished(self, origin: Origin, status: int, error: ProxyError | None = None) -> None:
        """An attempt at a chosen origin has ended. `status` is its response's, 0 where no final head came; `error` is
        what ended it early. With neither, the attempt was given up, which says nothing about the origin."""
        if self._follows_attempts:
            self._balancing.ended(origin)
        if error is not None or status in self.reported_statuses:
            self._trial_ended(origin)
            if self.health is not None:
                self.health.attempt_ended(origin, status, error)

    def _trial_ended(self, origin: Origin) -> None:
        if origin not in self.silent:
            self.awaited_trials.discard(origin)

    def _trials_left(self, tried: Sequence[Origin]) -> list[Candidate]:
        return [candidate for candidate in self._on_trial if candidate.origin not in tried]


def _without(tried: Sequence[Origin], candidates: Sequence[Candidate]) -> list[Candidate]:
    return [candidate for candidate in candidates if candidate.origin not in tried]
