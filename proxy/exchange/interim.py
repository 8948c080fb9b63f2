"""Interim responses: how many are passed on."""

from typing import Final

from proxy.errors import BadResponse
from proxy.http1.limits import MessageLimits
from proxy.http1.message import ResponseHead

_WINDOW_S: Final = 1.0


class InterimRate:
    """Bounds the 1xx of one response by their number and bytes within a second.

    Their total is unlimited: a service may send a 102 or 103 every few seconds for as long as it works. A flood is
    abuse: each one is parsed, stripped and written.
    """

    __slots__ = ("_bytes", "_count", "_limits", "_since")

    def __init__(self, limits: MessageLimits, now: float) -> None:
        self._limits = limits
        self._since = now
        self._count = 0
        self._bytes = 0

    def add(self, head: ResponseHead, now: float) -> None:
        """Count one more, at loop time `now`. Raises BadResponse where it is one too many."""
        if now - self._since >= _WINDOW_S:
            self._since, self._count, self._bytes = now, 0, 0
        self._count += 1
        self._bytes += sum(len(name) + len(value) for name, value in head.fields)
        if self._count > self._limits.interim_responses or self._bytes > self._limits.interim_bytes:
            raise BadResponse("too many interim responses at once")
