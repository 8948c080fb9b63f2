"""One upstream as an exchange sees it: which origin to try next, and whom to tell how that went.

An exchange asks `choose` before each attempt and reports each to `finished`; it knows neither the balancing policy nor
which origins are healthy.
"""

from collections.abc import Sequence

from proxy.errors import ProxyError
from proxy.upstream.balancing.base import BalancedRequest, Balancing
from proxy.upstream.health.base import Health
from proxy.upstream.origin import Origin


class Service:
    """The origins of one upstream, in one worker."""

    __slots__ = ("_balancing", "_candidates", "_only", "health", "name")

    def __init__(self, name: str, origins: Sequence[Origin], balancing: Balancing) -> None:
        self.name = name
        self._balancing = balancing
        self._candidates: tuple[Origin, ...] = ()
        self._only: Origin | None = None  # where there is no choice, and nobody who counts
        self.use(origins)
        self.health: Health | None = None  # told of every attempt's end

    def __repr__(self) -> str:
        return f"<Service {self.name}: {', '.join(map(str, self._candidates))}>"

    def use(self, origins: Sequence[Origin]) -> None:
        """From now on, choose among these: at least one, in the order of the configuration."""
        if not origins:
            raise ValueError("a service has at least one origin")
        self._candidates = tuple(origins)
        self._only = origins[0] if len(origins) == 1 and not self._balancing.follows_attempts else None

    def choose(self, request: BalancedRequest, tried: Sequence[Origin] = ()) -> Origin | None:
        """The origin for the next attempt, whose end `finished` must be told; None where all have been `tried`.

        `tried` are the origins at which this request has failed, the last one last.
        """
        if self._only is not None and not tried:
            return self._only
        candidates = self._candidates
        if tried and set(tried).issuperset(candidates):
            return None
        origin = self._balancing.choose(candidates, request, tried)
        if self._balancing.follows_attempts:
            self._balancing.started(origin)
        return origin

    def finished(self, origin: Origin, status: int, error: ProxyError | None = None) -> None:
        """An attempt at a chosen origin has ended. `status` is its response's, 0 where no final head came; `error` is
        what ended it early. With neither, the attempt was given up, which says nothing about the origin."""
        if self._balancing.follows_attempts:
            self._balancing.ended(origin)
        if self.health is not None:
            self.health.attempt_ended(origin, status, error)
