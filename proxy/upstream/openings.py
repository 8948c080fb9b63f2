"""Connections that are being opened, by origin, and which of them are stuck.

An origin that swallows connections is known to fail only once a connection to it has timed out; by then, every client
may wait for one. So where several wait for long, and none has been opened meanwhile, most of them are given up.
"""

import asyncio
from typing import Any, Final, NamedTuple, TypeAlias

from proxy.upstream.origin import Origin

_LATE: Final = 0.2  # of the time that there is for it: a second of five, when the first lost packet is sent again

Attempt: TypeAlias = "asyncio.Task[Any]"


class _Opening(NamedTuple):
    since: float
    late_at: float


class Openings:
    """The attempts under way. Times are the loop's."""

    def __init__(self) -> None:
        self._by_origin: dict[Origin, dict[Attempt, _Opening]] = {}
        self._given_up: set[Attempt] = set()
        self._opened_at: dict[Origin, float] = {}  # the last success, while others are under way

    def __bool__(self) -> bool:
        return bool(self._by_origin)

    def begin(self, origin: Origin, attempt: Attempt, now: float, connect_s: float) -> None:
        """An attempt begins, which may take `connect_s`."""
        self._by_origin.setdefault(origin, {})[attempt] = _Opening(now, now + connect_s * _LATE)

    def end(self, origin: Origin, attempt: Attempt, now: float, *, opened: bool) -> None:
        """It has ended."""
        self._given_up.discard(attempt)
        others = self._by_origin[origin]
        del others[attempt]
        if not others:
            del self._by_origin[origin]
            self._opened_at.pop(origin, None)
        elif opened:
            self._opened_at[origin] = now

    def stuck(self, now: float) -> dict[Origin, list[Attempt]]:
        """By origin, the attempts that are late, the oldest first: none has been opened since they began."""
        found = {}
        for origin, attempts in self._by_origin.items():
            opened_at = self._opened_at.get(origin, float("-inf"))
            late = [each for each, (since, late_at) in attempts.items() if late_at <= now and since > opened_at]
            if late:
                found[origin] = late
        return found

    def give_up(self, attempt: Attempt) -> None:
        """End an attempt: its task is cancelled."""
        self._given_up.add(attempt)
        attempt.cancel()

    def is_given_up(self, attempt: Attempt) -> bool:
        """Whether that is why it was cancelled."""
        return attempt in self._given_up
