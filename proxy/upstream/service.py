"""Which origin of an upstream serves the next request: in turn."""

from collections.abc import Sequence

from proxy.upstream.origin import Origin


class Balancer:
    """The origins of one upstream."""

    def __init__(self, origins: Sequence[Origin], host: bytes | None = None) -> None:
        self._twice = [*origins, *origins]  # in which every rotation stands in one piece
        self._count = len(origins)
        self._next = 0
        self.authority = origins[0].authority  # for a 1.0 client that named nobody
        self.host = host  # what `Host` says instead of the client's; None keeps the client's

    def order(self) -> list[Origin]:
        """The origins in the order in which to try them; the next call begins with another."""
        first = self._next
        self._next = (first + 1) % self._count
        return self._twice[first : first + self._count]
